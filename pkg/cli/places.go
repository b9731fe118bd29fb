package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// checkPlaces tells, before anything is done, which files of the settings cannot be
// read, and where none can be written that the end of the run writes.
func (s *session) checkPlaces(c config.Settings) error {
	problems := []error{s.console.actions.CanWrite()}
	for _, path := range c.Paths() {
		err := placeOf(path)
		switch {
		case err == nil:
			continue
		case path.Setting == "evidence-dir" && s.evidenceByDefault:
			s.console.log.Warn("what is known of a revision that fails could not be kept; give --evidence-dir", "because", err)
			continue
		case path.Setting == "record":
			s.Record = "" // not tried again at the end
		}
		problems = append(problems, record.BadInput("config/unusable-path", "--%s: %w; %s", path.Setting, err, remedy(path)))
	}
	return record.Problems(problems...)
}

// remedy is what helps where a path cannot be used.
func remedy(path config.Path) string {
	switch path.Use {
	case config.PathRead:
		return "give a file that this process can read, from the folder that it runs in"
	case config.PathFolder:
		return "give a folder in which this process can make files"
	case config.PathWrite, config.PathName:
	}
	return "give a file in a folder that there is, and in which this process can make files"
}

// placeOf checks whether what will be done with a path can be done.
func placeOf(path config.Path) error {
	info, err := os.Stat(path.Value)
	isFile := path.Use == config.PathRead || path.Use == config.PathWrite
	switch {
	case isFile && err == nil && info.IsDir():
		return fmt.Errorf("%s is a directory, and a file is wanted", path.Value)
	case path.Use == config.PathRead:
		return err
	case path.Use == config.PathWrite && err == nil && !info.Mode().IsRegular():
		return nil // a device or a pipe
	case path.Use == config.PathWrite && err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case path.Use == config.PathWrite:
		return takesFiles(filepath.Dir(files.Behind(path.Value)))
	case path.Use == config.PathFolder:
		return takesFiles(existing(path.Value))
	}
	return nil
}

// The rights of access(2).
const toEnter, toWrite = 1, 2

// takesFiles is an error unless files can be made in a directory.
func takesFiles(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no directory", dir)
	}
	if err := syscall.Access(dir, toWrite|toEnter); err != nil {
		return fmt.Errorf("no file can be made in %s: %w", dir, err)
	}
	return nil
}

// existing is the directory, or the one that it would be made in.
func existing(dir string) string {
	for {
		_, err := os.Stat(dir)
		up := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || up == dir {
			return dir
		}
		dir = up
	}
}
