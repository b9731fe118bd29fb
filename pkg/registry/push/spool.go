package push

import (
	"io"
	"os"
	"sync"
)

// Spool is a file that can be read while it is still being written: a layer goes
// to the registry while it is packed.
type Spool struct {
	file    *os.File
	mu      sync.Mutex
	grew    *sync.Cond
	written int64
	done    bool
	err     error // why it will never be whole
}

// NewSpool creates the file.
func NewSpool(name string) (*Spool, error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	s := &Spool{file: file}
	s.grew = sync.NewCond(&s.mu)
	return s, nil
}

func (s *Spool) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	s.mu.Lock()
	s.written += int64(n)
	s.mu.Unlock()
	s.grew.Broadcast()
	return n, err
}

// Finish says that nothing more comes. Readers of a spool with an error get that.
func (s *Spool) Finish(err error) {
	s.mu.Lock()
	s.done, s.err = true, err
	s.mu.Unlock()
	s.grew.Broadcast()
}

// Open gives a reader that waits for what is not written yet.
func (s *Spool) Open(offset int64) (io.ReadCloser, error) {
	return &spoolReader{spool: s, at: offset}, nil
}

// Size is how much was written.
func (s *Spool) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

// Close closes the file, which stays.
func (s *Spool) Close() error { return s.file.Close() }

type spoolReader struct {
	spool *Spool
	at    int64
}

func (r *spoolReader) Read(p []byte) (int, error) {
	s := r.spool
	s.mu.Lock()
	for !s.done && s.written <= r.at {
		s.grew.Wait()
	}
	size, err := s.written, s.err
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if r.at >= size {
		return 0, io.EOF
	}
	n, err := s.file.ReadAt(p[:min(int64(len(p)), size-r.at)], r.at)
	r.at += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

func (r *spoolReader) Close() error { return nil }
