package config

// PathUse is what is done with a path.
type PathUse string

// The uses.
const (
	PathRead   PathUse = "read"   // a file, from the beginning
	PathWrite  PathUse = "write"  // a file, at the end
	PathFolder PathUse = "folder" // files are made in it
	PathName   PathUse = "name"   // something else; who uses it knows what may stand there
)

// Path is a path that was given, or a default.
type Path struct {
	Setting string
	Use     PathUse
	Value   string
}

// Paths are all that are not empty.
func (s *Settings) Paths() []Path {
	var all []Path
	for _, one := range declared(s) {
		var values []string
		switch {
		case one.Path == "":
		case one.IsList():
			values = one.field.Interface().([]string)
		default:
			values = []string{one.field.String()}
		}
		for _, value := range values {
			if value != "" {
				all = append(all, Path{one.Name, one.Path, value})
			}
		}
	}
	return all
}
