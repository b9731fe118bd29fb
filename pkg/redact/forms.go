package redact

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
)

// forms are the texts that give a value away, besides the escaped ones, see views.
// A bare one is not encoded by itself.
func forms(value string, bare bool) []pattern {
	all := []pattern{{text: value, word: isWeak(value), opaque: isOpaque(value)}}
	if strings.Contains(value, "\n") {
		// Lines that were joined by another line break.
		all = append(all, pattern{text: strings.ReplaceAll(value, "\n", "\r\n")})
	}
	if bare {
		return all
	}
	all = append(all, encoded(value)...)
	if len(value) >= long && len(value) <= maxHex {
		text := hex.EncodeToString([]byte(value))
		all = append(all, pattern{text: text, opaque: true}, pattern{text: strings.ToUpper(text), opaque: true})
	}
	return all
}

const (
	// maxHex bounds the values whose hexadecimal form is looked for.
	maxHex = 256
	// minCore is how many characters within a longer base64 text are enough.
	minCore = 8
	// maxURL64 bounds the values whose form in the base64 of URLs is looked for.
	maxURL64 = 1 << 10
)

// encoded is a value in base64: by itself, and the characters that it always
// leaves within the base64 of something longer, wherever it begins there.
func encoded(value string) []pattern {
	whole := base64.RawStdEncoding.EncodeToString([]byte(value))
	texts := []pattern{{text: whole, opaque: len(whole) > 2*stride, token: len(whole) >= minCore, word: len(whole) < minCore}}
	for skip := range 3 {
		if skip >= len(value) {
			break
		}
		inner := value[skip:]
		core := base64.RawStdEncoding.EncodeToString([]byte(inner[:len(inner)/3*3]))
		if len(core) >= minCore {
			texts = append(texts, pattern{text: core, opaque: len(core) > 2*stride, token: true})
		}
	}
	if len(value) > maxURL64 {
		return texts
	}
	for _, p := range texts {
		if u := strings.NewReplacer("+", "-", "/", "_").Replace(p.text); u != p.text {
			p.text = u
			texts = append(texts, p)
		}
	}
	return texts
}

// isWeak reports whether a value may stand within an innocent word.
func isWeak(value string) bool {
	return len(value) < long || len(value) < 2*long && kinds(value) < 2
}

// isOpaque reports whether a value looks like a key or a token, of which a part is
// as telling as the whole.
func isOpaque(value string) bool {
	if len(value) < 32 {
		return false
	}
	for i := range len(value) {
		if !isBase64(value[i]) && value[i] != '.' {
			return false
		}
	}
	return kinds(value) >= 3 || strings.Trim(value, "0123456789abcdefABCDEF") == ""
}

// hostName is a host's name of three parts or more, or of two with a path, as in the names of
// images, conditions and annotations; upper case is for tokens.
var hostName = regexp.MustCompile(`^(?:[a-z0-9-]+\.){2,}[a-z]{2,}(?:/[a-z0-9._/-]*)?$|^[a-z0-9-]+\.[a-z]{2,}/[a-z0-9._/-]*$`)

// keyInPath is a part of a path that may be one.
var keyInPath = regexp.MustCompile(`[a-z]*[0-9][a-z0-9]{15,}`)

// isPlace reports whether a value that looks like a key says where something is, in words.
func isPlace(value string) bool {
	_, path, _ := strings.Cut(value, "/")
	return hostName.MatchString(value) && !keyInPath.MatchString(path)
}

// kinds counts lower and upper case letters, digits and all others.
func kinds(value string) int {
	var seen [4]int
	for i := range len(value) {
		switch b := value[i]; {
		case b >= 'a' && b <= 'z':
			seen[0] = 1
		case b >= 'A' && b <= 'Z':
			seen[1] = 1
		case b >= '0' && b <= '9':
			seen[2] = 1
		default:
			seen[3] = 1
		}
	}
	return seen[0] + seen[1] + seen[2] + seen[3]
}
