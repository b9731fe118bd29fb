// Command pictures makes PNG files of a browser small: what is empty below a page goes,
// and a page has few colours.
//
//	pictures docs/report-*.png
package main

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"slices"
)

func main() {
	for _, path := range os.Args[1:] {
		if err := shrink(path); err != nil {
			fmt.Fprintf(os.Stderr, "pictures: shrinking %s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

// shrink replaces a PNG file by one with a palette, compressed as well as can be.
func shrink(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	picture, err := png.Decode(file)
	_ = file.Close()
	if err != nil {
		return err
	}
	small := image.NewPaletted(page(picture), colours(picture))
	draw.Draw(small, small.Bounds(), picture, picture.Bounds().Min, draw.Src)
	file, err = os.Create(path)
	if err != nil {
		return err
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(file, small); err != nil {
		return err
	}
	return file.Close()
}

// margin is what stays below a page, in pixels.
const margin = 24

// page is the part of the picture that has something in it.
func page(picture image.Image) image.Rectangle {
	at := picture.Bounds()
	empty := picture.At(at.Min.X, at.Max.Y-1)
	bottom := at.Max.Y
	for bottom > at.Min.Y && isEmpty(picture, bottom-1, empty) {
		bottom--
	}
	at.Max.Y = min(bottom+margin, at.Max.Y)
	return at
}

// isEmpty reports whether a row has one colour.
func isEmpty(picture image.Image, y int, colour color.Color) bool {
	for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x++ {
		if picture.At(x, y) != colour {
			return false
		}
	}
	return true
}

// colours are the 64 that are seen most: the page's own, and steps of them at the edges
// of letters.
func colours(picture image.Image) color.Palette {
	seen := map[color.Color]int{}
	at := picture.Bounds()
	for y := at.Min.Y; y < at.Max.Y; y++ {
		for x := at.Min.X; x < at.Max.X; x++ {
			seen[picture.At(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(seen), func(a, b color.Color) int {
		return cmp.Or(cmp.Compare(seen[b], seen[a]), cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	return all[:min(len(all), 64)]
}
