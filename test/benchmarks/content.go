package main

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/backstage"
)

// content is what an image has below /app: the sums of files and the targets of links, by
// the path.
type content map[string]string

// appOf reads an image as a container sees it.
func appOf(ctx context.Context, reference string) (content, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return nil, err
	}
	image, err := remote.Image(ref, remote.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", reference, err)
	}
	tree := mutate.Extract(image)
	defer func() { _ = tree.Close() }()
	return contentOf(tree)
}

func contentOf(tree io.Reader) (content, error) {
	all, reader := content{}, tar.NewReader(tree)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		file, below := strings.CutPrefix(path.Clean("/"+header.Name), "/app/")
		if !below || header.Typeflag == tar.TypeDir {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, reader); err != nil {
			return nil, err
		}
		all[file] = fmt.Sprintf("%x %s", sum.Sum(nil), header.Linkname)
	}
}

// compareContent says in a sentence what two images have in common. That they have the
// same dependencies and the same application is what makes their times comparable.
func compareContent(ctx context.Context, ours, theirs string) (string, error) {
	a, err := appOf(ctx, ours)
	if err != nil {
		return "", err
	}
	b, err := appOf(ctx, theirs)
	if err != nil {
		return "", err
	}
	return told(a, b)
}

// told says it, or what of dependencies or application is not the same.
func told(ours, theirs content) (string, error) {
	var only, lacking, other []string
	same := 0
	for file, sum := range ours {
		switch there, found := theirs[file]; {
		case !found:
			only = append(only, file)
		case there != sum:
			other = append(other, file)
		default:
			same++
		}
	}
	for file := range theirs {
		if _, found := ours[file]; !found {
			lacking = append(lacking, file)
		}
	}
	if wrong := slices.DeleteFunc(slices.Concat(only, lacking, other), incidental); len(wrong) > 0 {
		return "", fmt.Errorf("the images are not of the same content: %s", some(wrong))
	}
	text := fmt.Sprintf("Both images have the same %d files below /app", same)
	for _, difference := range []struct {
		name  string
		files []string
	}{{"only stagecrew's has", only}, {"only BuildKit's has", lacking}, {"in both, and not the same:", other}} {
		if len(difference.files) > 0 {
			text += "; " + difference.name + " " + some(difference.files)
		}
	}
	return text + ".", nil
}

// incidental reports whether it does not matter for the application that a file is there:
// what says how the dependencies were installed.
func incidental(file string) bool {
	top, _, _ := strings.Cut(file, "/")
	return top != backstage.Modules && top != "packages" || file == backstage.Modules+"/.yarn-state.yml"
}

// some are the first of many names, sorted.
func some(files []string) string {
	const shown = 8
	slices.Sort(files)
	text := "`" + strings.Join(files[:min(shown, len(files))], "`, `") + "`"
	if more := len(files) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
