package images

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// aptTimeout bounds one run of an apt program; slow mirrors are common, hanging ones too.
const aptTimeout = 10 * time.Minute

// aptLists is where apt keeps what it knows about packages.
const aptLists = "/var/lib/apt/lists"

// deb is one Debian package, as apt describes it.
type deb struct {
	Name, Version, Arch, SHA256 string
	// Stanza is the control record, without the fields that only a repository has.
	Stanza string
	// Depends are the names it needs, each group reduced to its alternatives.
	Depends [][]string
}

// file is the name that apt-get download gives the package.
func (d deb) file() string {
	return d.Name + "_" + strings.ReplaceAll(d.Version, ":", "%3a") + "_" + d.Arch + ".deb"
}

// errUnknownPackage says that apt's lists do not have a package.
var errUnknownPackage = errors.New("apt knows no such package")

// aptShow describes the candidates of packages. index is a file that apt may keep its parsed lists in between calls.
func aptShow(ctx context.Context, index string, names []string) (map[string]deb, error) {
	// Container images of Debian switch apt's own index off, and each call would parse all lists anew.
	args := append([]string{"show", "--no-all-versions", "-o", "Dir::Cache::pkgcache=" + index}, names...)
	out, err := run(ctx, "", aptTimeout, "apt-cache", args...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	// apt-cache fails for one unknown name among known ones; which one it was, the answer tells better than its text.
	found := map[string]deb{}
	for _, stanza := range strings.Split(string(out), "\n\n") {
		d := parseStanza(stanza)
		if _, ok := found[d.Name]; d.Name != "" && !ok {
			found[d.Name] = d
		}
	}
	for _, name := range names {
		if _, ok := found[name]; !ok {
			return nil, fmt.Errorf("describing Debian package %q: %w: the sandbox's images need Debian 12 (bookworm) in apt's sources", name, errUnknownPackage)
		}
	}
	return found, nil
}

// repositoryFields are the fields that describe the package's place in a repository and that dpkg does not record.
var repositoryFields = map[string]bool{
	"Filename": true, "Size": true, "MD5sum": true, "SHA1": true, "SHA256": true, "SHA512": true,
	"Description-md5": true, "Tag": true, "Task": true,
}

func parseStanza(text string) deb {
	var d deb
	var kept []string
	skipping := false
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		if strings.HasPrefix(line, " ") {
			if !skipping {
				kept = append(kept, line)
			}
			continue
		}
		field, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		if skipping = repositoryFields[field]; !skipping {
			kept = append(kept, line)
		}
		switch field {
		case "Package":
			d.Name = value
			kept = append(kept, "Status: install ok installed")
		case "Version":
			d.Version = value
		case "Architecture":
			d.Arch = value
		case "SHA256":
			d.SHA256 = value
		case "Depends", "Pre-Depends":
			d.Depends = append(d.Depends, parseDepends(value)...)
		}
	}
	d.Stanza = strings.Join(kept, "\n") + "\n"
	return d
}

// parseDepends splits "a (>= 1) | b, c:any" into groups of bare names.
func parseDepends(value string) [][]string {
	var groups [][]string
	for _, group := range strings.Split(value, ",") {
		var names []string
		for _, alt := range strings.Split(group, "|") {
			name, _, _ := strings.Cut(strings.TrimSpace(alt), " ")
			name, _, _ = strings.Cut(name, ":")
			if name != "" {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			groups = append(groups, names)
		}
	}
	return groups
}

// aptUpdate renews apt's lists; it needs root.
func aptUpdate(ctx context.Context) error {
	if _, err := run(ctx, "", aptTimeout, "apt-get", "-q", "update"); err != nil {
		return fmt.Errorf("renewing apt's lists (needs root and Debian's mirror): %w", err)
	}
	return nil
}

// aptDownload fetches packages into dir; apt checks them against the signed lists.
func aptDownload(ctx context.Context, dir string, debs []deb) error {
	args := []string{"-q", "-o", "APT::Sandbox::User=root", "download"}
	for _, d := range debs {
		args = append(args, d.Name+"="+d.Version)
	}
	if _, err := run(ctx, dir, aptTimeout, "apt-get", args...); err != nil {
		return fmt.Errorf("downloading Debian packages: %w", err)
	}
	return nil
}

// checkDeb reports whether a package's file is there and is the one that apt described.
func checkDeb(dir string, d deb) error {
	body, err := os.ReadFile(filepath.Join(dir, d.file()))
	if err != nil {
		return fmt.Errorf("reading Debian package %q: %w", d.Name, err)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != d.SHA256 {
		return fmt.Errorf("checking Debian package %q: its SHA-256 is not the one in apt's lists", d.Name)
	}
	return nil
}

// aptFingerprint names the state of apt's lists without reading them; it is cheap and changes with each real update.
func aptFingerprint() string {
	h := sha256.New()
	names, _ := filepath.Glob(filepath.Join(aptLists, "*Release"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			fmt.Fprintln(h, filepath.Base(name), info.Size(), info.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// run runs a program and returns what it printed; an error carries the end of its error output.
func run(ctx context.Context, dir string, timeout time.Duration, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.WaitDelay = 5 * time.Second
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("running %s: it is not installed; install it (apt-get install apt dpkg npm) or use KUBECONFIG of another cluster", name)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return out.Bytes(), fmt.Errorf("running %s %s: %w: %s", name, args[0], err, tail(errOut.Bytes(), 600))
	}
	return out.Bytes(), nil
}

// tail gives the last bytes of a program's output.
func tail(b []byte, n int) string {
	b = bytes.TrimSpace(b)
	if len(b) > n {
		b = append([]byte("…"), b[len(b)-n:]...)
	}
	return string(b)
}
