package layer

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"runtime"

	"github.com/klauspost/compress/flate"
)

const (
	// The level and the size of a block are part of the digest: others give other
	// bytes. The compressor is a module of fixed version for the same reason; the
	// standard library's changes with Go.
	gzipLevel = 6
	gzipBlock = 1 << 20
	// Format stands for all of this in the keys of layers.
	Format = "klauspost-flate-6-1MiB"
	window = 32 << 10 // how far back deflate can refer
)

// parallelGzip writes one gzip member whose blocks are compressed side by side.
// Each block may refer to the end of the one before it, and ends on a byte, so
// that the bytes depend neither on the number of processors nor on chance.
type parallelGzip struct {
	w     io.Writer
	block []byte
	dict  []byte // the end of the last block
	crc   uint32
	size  uint32
	queue chan chan pressed
	done  chan error
}

type pressed struct {
	bytes []byte
	err   error
}

func newParallelGzip(w io.Writer) *parallelGzip {
	g := &parallelGzip{w: w, queue: make(chan chan pressed, runtime.GOMAXPROCS(0)), done: make(chan error, 1)}
	go g.collect()
	return g
}

// collect writes the blocks in their order.
func (g *parallelGzip) collect() {
	// No name, no time, unknown system.
	_, err := g.w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff})
	for next := range g.queue {
		result := <-next
		if err == nil {
			err = result.err
		}
		if err == nil {
			_, err = g.w.Write(result.bytes)
		}
	}
	g.done <- err
}

func (g *parallelGzip) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if g.block == nil {
			g.block = make([]byte, 0, gzipBlock)
		}
		n := min(len(rest), gzipBlock-len(g.block))
		g.block, rest = append(g.block, rest[:n]...), rest[n:]
		if len(g.block) == gzipBlock {
			g.press(false)
		}
	}
	return len(p), nil
}

// press hands the block over; the queue bounds how many are in memory.
func (g *parallelGzip) press(last bool) {
	block, dict, next := g.block, g.dict, make(chan pressed, 1)
	g.crc, g.size = crc32.Update(g.crc, crc32.IEEETable, block), g.size+uint32(len(block))
	g.queue <- next
	go func() {
		var out bytes.Buffer
		err := pressBlock(&out, block, dict, last)
		next <- pressed{out.Bytes(), err}
	}()
	g.block = nil
	g.dict = block[max(0, len(block)-window):]
}

func pressBlock(out io.Writer, block, dict []byte, last bool) error {
	// A new compressor for each block: one that was used before could remember.
	w, err := flate.NewWriterDict(out, gzipLevel, dict)
	if err != nil {
		return err
	}
	if _, err := w.Write(block); err != nil {
		return err
	}
	if last {
		return w.Close()
	}
	return w.Flush()
}

// Close writes what is left, and the sums.
func (g *parallelGzip) Close() error {
	g.press(true)
	close(g.queue)
	if err := <-g.done; err != nil {
		return err
	}
	_, err := g.w.Write(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, g.crc), g.size))
	return err
}
