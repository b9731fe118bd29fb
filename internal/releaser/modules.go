package main

import (
	"debug/buildinfo"
	"os"
	"runtime/debug"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// listModules writes FILE.cdx.json: the modules that the linker has put into a program,
// as the program itself says, with the version of Go.
func listModules(file, version string) error {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return err
	}
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: component(info.Main.Path, version)}
	modules := []cyclonedx.Component{*component("stdlib", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, m := range info.Deps {
		modules = append(modules, *component(used(m).Path, used(m).Version))
	}
	bom.Components = &modules
	to, err := os.Create(file + ".cdx.json")
	if err != nil {
		return err
	}
	encoder := cyclonedx.NewBOMEncoder(to, cyclonedx.BOMFileFormatJSON).SetPretty(true)
	if err := encoder.Encode(bom); err != nil {
		return err
	}
	return to.Close()
}

// used is what stands in the place of a module.
func used(m *debug.Module) *debug.Module {
	if m.Replace != nil {
		return m.Replace
	}
	return m
}

func component(path, version string) *cyclonedx.Component {
	url := "pkg:golang/" + path + "@" + version
	return &cyclonedx.Component{BOMRef: url, Type: cyclonedx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: url}
}
