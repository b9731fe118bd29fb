package migrations

import (
	"maps"
	"slices"
)

// Set are the migrations of an image: the names of files, sorted and each once, by the
// folder that has them. nil is of an image that has none.
type Set map[string][]string

// Add puts a file into the set.
func (s Set) Add(folder, name string) {
	if i, there := slices.BinarySearch(s[folder], name); !there {
		s[folder] = slices.Insert(s[folder], i, name)
	}
}

// Of are the migrations among the files of an image.
func Of(files []string) Set {
	s := Set{}
	for _, file := range files {
		if folder, name, ok := Split(file); ok {
			s.Add(folder, name)
		}
	}
	return s
}

// Join puts all files of another set into the set.
func (s Set) Join(other Set) {
	for folder, names := range other {
		for _, name := range names {
			s.Add(folder, name)
		}
	}
}

// Len is the number of files.
func (s Set) Len() (n int) {
	for _, names := range s {
		n += len(names)
	}
	return n
}

// folders are the names of the folders, in order.
func (s Set) folders() []string { return slices.Sorted(maps.Keys(s)) }

// without are the names that only the first has.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, there := slices.BinarySearch(others, name)
		return there
	})
}
