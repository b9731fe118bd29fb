package build

import (
	"io"
	"os"
	"sync"
)

// spool is a file that can be read while it is still being written: a layer goes
// to the registry while it is packed.
type spool struct {
	file *os.File
	mu   sync.Mutex
	grew *sync.Cond
	size int64
	done bool
	err  error // why it will never be whole
}

func newSpool(name string) (*spool, error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	s := &spool{file: file}
	s.grew = sync.NewCond(&s.mu)
	return s, nil
}

func (s *spool) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	s.mu.Lock()
	s.size += int64(n)
	s.mu.Unlock()
	s.grew.Broadcast()
	return n, err
}

// finish says that nothing more comes. Readers of a spool with an error get that.
func (s *spool) finish(err error) {
	s.mu.Lock()
	s.done, s.err = true, err
	s.mu.Unlock()
	s.grew.Broadcast()
}

// open gives a reader that waits for what is not written yet.
func (s *spool) open(offset int64) (io.ReadCloser, error) {
	return &spoolReader{spool: s, at: offset}, nil
}

func (s *spool) close() error { return s.file.Close() }

type spoolReader struct {
	spool *spool
	at    int64
}

func (r *spoolReader) Read(p []byte) (int, error) {
	s := r.spool
	s.mu.Lock()
	for !s.done && s.size <= r.at {
		s.grew.Wait()
	}
	size, err := s.size, s.err
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
