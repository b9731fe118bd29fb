package pipeline

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
)

// Panicked is a panic that [Guard] has made an error: a bug of this program or of
// a library, and nothing about the application or the cluster.
type Panicked struct {
	// Value is what was panicked with, on one line and bounded; it may hold text of
	// somebody else.
	Value string
	// Stack is where, bounded. It is for a file, never for the log.
	Stack string
}

// The bounds of what is kept of a panic, in bytes.
const (
	maxPanicValue = 300
	maxPanicStack = 32 << 10
)

// Error says what it is and what to do; the stack is not in it.
func (p *Panicked) Error() string {
	return fmt.Sprintf("a bug of stagecrew, not of what it looked at: %s; please report it with the stack that the run keeps", p.Value)
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
	value := strconv.QuoteToGraphic(strings.ToValidUTF8(fmt.Sprint(recovered), "?"))
	stack := debug.Stack()
	return &Panicked{Value: clipped(value[1:len(value)-1], maxPanicValue), Stack: clipped(string(stack), maxPanicStack)}
}

func clipped(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
