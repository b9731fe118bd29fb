package pipeline

import (
	"context"
	"fmt"
	"slices"
)

// key names what a stage hands on.
type key string

// output is a key with the type of what it names.
type output[T any] struct{ key key }

// named is an output of any type.
type named interface{ name() key }

func (o output[T]) name() key { return o.key }

// of gives what was made, the zero value where no stage of the slice makes it. To
// read what was not declared is a bug, and panics.
func (o output[T]) of(in inputs) T {
	value, _ := o.made(in)
	return value
}

// made is of that also reports whether a stage made it.
func (o output[T]) made(in inputs) (T, bool) {
	if !slices.Contains(in.declared, o.key) {
		panic(fmt.Sprintf("a stage reads %q, which it does not need", o.key))
	}
	value, found := in.values[o.key].(T)
	return value, found
}

func keys(outputs ...named) []key {
	var all []key
	for _, o := range outputs {
		all = append(all, o.name())
	}
	return all
}

// inputs are the outputs that a stage has declared to need.
type inputs struct {
	declared []key
	values   map[key]any
}

// work is what a stage does, with its options read and checked.
type work func(context.Context, inputs) (any, error)

// stage is one row of the table.
type stage struct {
	name string
	// needs are the outputs that must be there before it begins.
	needs []key
	// along is what it shares with another stage while both run.
	along []key
	// however are outputs after whose making it runs, also when that failed.
	however []key
	// effect is what it may leave half-way.
	effect Effect
	// grouped says that its lines are a group of the log where stages run side by side.
	grouped bool
	maker
}

// maker is what makes an output: it reads and checks the options and gives what is to
// be done with them, nil for nothing.
type maker struct {
	gives   key
	prepare func(*slice) (work, error)
}

// making ties a stage to what it hands on.
func making[T any](o output[T], prepare func(*slice) (func(context.Context, inputs) (T, error), error)) maker {
	return maker{o.key, func(s *slice) (work, error) {
		do, err := prepare(s)
		if do == nil || err != nil {
			return nil, err
		}
		return func(ctx context.Context, in inputs) (any, error) { return do(ctx, in) }, nil
	}}
}

// before are the outputs that a stage waits for.
func (s stage) before() []key { return slices.Concat(s.needs, s.however) }
