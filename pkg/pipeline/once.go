package pipeline

import "sync"

// once is something that several stages ask for and that is read when the first one
// does, so that what is wrong with it is told once.
type once[T any] struct {
	first sync.Once
	read  func() (T, error)
}

func (o *once[T]) of(read func() (T, error)) (T, error) {
	o.first.Do(func() { o.read = sync.OnceValues(read) })
	return o.read()
}
