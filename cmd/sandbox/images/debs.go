package images

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// debSet holds the packages of each named set, dependencies included.
type debSet map[string][]deb

// packageSets are the packages that images are made of, by the name of the set. The closure of a set leaves out what the
// sets in its without hold already.
var packageSets = map[string]struct{ want, without []string }{
	"busybox": {want: []string{"busybox"}},
	"pause":   {want: []string{"catatonit"}},
	"base": {want: []string{
		"base-files", "base-passwd", "bash", "bsdutils", "coreutils", "dash", "debianutils", "diffutils", "findutils", "grep", "gzip", "hostname",
		"libc-bin", "libc6", "libstdc++6", "login", "mawk", "ncurses-base", "sed", "tar", "tzdata", "util-linux",
	}},
	"postgres": {want: []string{"postgresql-client-15", "locales", "openssl"}, without: []string{"base"}},
}

// leftOut are packages (or virtual names) that no image needs: nothing configures or installs packages inside, and the
// PostgreSQL clients run without the wrappers that choose among versions.
var leftOut = map[string]bool{
	"awk": true, "debconf": true, "debconf-2.0": true, "cdebconf": true, "dpkg": true, "install-info": true, "perl": true, "perl-base": true,
	"perl:any": true, "postgresql-client-common": true, "usrmerge": true, "usr-is-merged": true, "libc-l10n": true, "init-system-helpers": true,
}

// resolveDebs finds the packages of all sets in the versions that apt would install now. As long as apt's lists do not
// change the answer comes from the cache.
func (k *kitchen) resolveDebs(ctx context.Context) (debSet, error) {
	if set, ok := k.cachedDebs(); ok {
		return set, nil
	}
	index := filepath.Join(k.tmp, "apt-index")
	set, err := closures(ctx, index)
	if errors.Is(err, errUnknownPackage) {
		k.log("renewing apt's package lists")
		if err := aptUpdate(ctx); err != nil {
			return nil, err
		}
		set, err = closures(ctx, index)
	}
	if err != nil {
		return nil, err
	}
	return set, k.keepDebs(set)
}

// resolvedFile is where the answer for the present lists and the present recipes is kept.
func (k *kitchen) resolvedFile() string {
	return filepath.Join(k.dir("resolved"), fmt.Sprintf("%d-%s.json", recipeVersion, aptFingerprint()))
}

func (k *kitchen) cachedDebs() (debSet, bool) {
	body, err := os.ReadFile(k.resolvedFile())
	if err != nil {
		return nil, false
	}
	var set debSet
	return set, json.Unmarshal(body, &set) == nil
}

func (k *kitchen) keepDebs(set debSet) error {
	body, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("recording package versions: %w", err)
	}
	scratch := filepath.Join(k.tmp, "resolved.json")
	if err := os.WriteFile(scratch, body, 0o644); err != nil {
		return fmt.Errorf("recording package versions: %w", err)
	}
	if err := os.Rename(scratch, k.resolvedFile()); err != nil {
		return fmt.Errorf("recording package versions: %w", err)
	}
	return nil
}

func closures(ctx context.Context, index string) (debSet, error) {
	set := debSet{}
	for _, name := range []string{"pause", "busybox", "base", "postgres"} {
		spec := packageSets[name]
		have := map[string]bool{}
		for _, other := range spec.without {
			for _, d := range set[other] {
				have[d.Name] = true
			}
		}
		debs, err := closure(ctx, index, spec.want, have)
		if err != nil {
			return nil, err
		}
		set[name] = debs
	}
	return set, nil
}

// closure finds packages and all that they depend on, except for what is there already, sorted by name.
func closure(ctx context.Context, index string, want []string, have map[string]bool) ([]deb, error) {
	var out []deb
	for len(want) > 0 {
		shown, err := aptShow(ctx, index, want)
		if err != nil {
			return nil, err
		}
		for _, name := range want {
			have[name] = true
		}
		var next []string
		for _, name := range want {
			out = append(out, shown[name])
			next = append(next, missing(shown[name], have)...)
		}
		slices.Sort(next)
		want = slices.Compact(next)
	}
	slices.SortFunc(out, func(a, b deb) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// missing gives the first alternative of each dependency that nothing satisfies yet.
func missing(d deb, have map[string]bool) []string {
	var out []string
	for _, group := range d.Depends {
		met := slices.ContainsFunc(group, func(name string) bool { return have[name] || leftOut[name] })
		if !met {
			out = append(out, group[0])
		}
	}
	return out
}

// errListsRenewed says that apt's lists named packages that are gone and were renewed: the versions have to be found anew.
var errListsRenewed = errors.New("apt's lists were out of date and have been renewed")

// fetchDebs brings packages into the cache; those that are there and whole are not fetched again.
func (k *kitchen) fetchDebs(ctx context.Context, debs []deb) error {
	dir := k.dir("debs")
	var need []deb
	for _, d := range debs {
		if checkDeb(dir, d) != nil {
			need = append(need, d)
		}
	}
	if len(need) == 0 {
		return nil
	}
	k.log("downloading %d Debian packages", len(need))
	if err := aptDownload(ctx, dir, need); err != nil {
		// A mirror drops a version as soon as a newer one is there; lists that are older then name files that are gone.
		if uerr := aptUpdate(ctx); uerr != nil {
			return errors.Join(err, uerr)
		}
		return fmt.Errorf("%w: %w", errListsRenewed, err)
	}
	for _, d := range need {
		if err := checkDeb(dir, d); err != nil {
			return err
		}
	}
	return nil
}
