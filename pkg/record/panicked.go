package record

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// Panicked is a panic that [Guard] has made an error: a bug of this program or of
// a library, and nothing about the application or the cluster.
type Panicked struct {
	// Value is what was panicked with, on one line and bounded; it may hold foreign
	// text.
	Value string `json:"value"`
	// Stack is where, bounded. It is for a file, never for the log.
	Stack string `json:"stack"`
}

// The bounds of what is kept of a panic, in bytes.
const (
	maxPanicValue = 300
	maxPanicStack = 32 << 10
)

// Error says what it is; the stack is not in it.
func (p *Panicked) Error() string {
	return "a bug of stagecrew, which says nothing about what it looked at: panic: " + p.Value
}

// maxPanics bounds how many panics are kept until they are taken.
const maxPanics = 10

var panics struct {
	sync.Mutex
	kept []Panicked
}

// TakePanics gives those that this process has made errors of since they were taken
// before, the first ten: whoever gets such an error may show it as a few words only.
func TakePanics() []Panicked {
	panics.Lock()
	defer panics.Unlock()
	taken := panics.kept
	panics.kept = nil
	return taken
}

// Guard does work and makes a panic of it a *[Panicked]. Every goroutine needs one
// of its own: a panic ends the process from wherever it happens.
func Guard(work func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = NewPanicked(r)
		}
	}()
	return work()
}

// NewPanicked makes an error of what recover gave, with the stack of the panic.
func NewPanicked(recovered any) *Panicked {
	stack := debug.Stack()
	p := Panicked{Value: text.Cut(text.Visible(fmt.Sprint(recovered)), maxPanicValue), Stack: text.Cut(string(stack), maxPanicStack)}
	panics.Lock()
	defer panics.Unlock()
	if len(panics.kept) < maxPanics {
		panics.kept = append(panics.kept, p)
	}
	return &p
}
