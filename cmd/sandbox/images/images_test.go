package images

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestASecondProcessWaitsForTheFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	log := func(string, ...any) {}
	unlock, err := lock(t.Context(), path, log)
	require.NoError(t, err)

	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = lock(short, path, log)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, path)

	got := make(chan error, 1)
	go func() {
		again, err := lock(t.Context(), path, log)
		if err == nil {
			again()
		}
		got <- err
	}()
	unlock()
	require.NoError(t, <-got)
}

func TestALayoutAppearsWholeOrNotAtAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "absent", "layout")
	require.Error(t, writeLayout(smallImage(t, "x"), filepath.Join(t.TempDir(), "scratch"), dir))
	require.NoDirExists(t, dir)
}

func TestADamagedLayoutSaysHowToHealIt(t *testing.T) {
	dir := layoutOf(t, smallImage(t, "x"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "index.json"), []byte("{"), 0o644))
	_, err := openImage(recipe{}, dir)
	require.ErrorContains(t, err, "remove it")
}

func TestWhatAKilledRunLeftIsRemoved(t *testing.T) {
	k := &kitchen{cache: t.TempDir(), log: func(string, ...any) {}}
	left := filepath.Join(k.cache, "tmp-1", "busybox", "blobs")
	require.NoError(t, os.MkdirAll(left, 0o755))
	require.NoError(t, k.prepare())
	require.NoDirExists(t, left)
	require.DirExists(t, k.tmp)
}

func TestPackageVersionsAreKeptForTheSameLists(t *testing.T) {
	k := &kitchen{cache: t.TempDir(), log: func(string, ...any) {}}
	require.NoError(t, k.prepare())
	_, ok := k.cachedDebs()
	require.False(t, ok)
	want := debSet{"base": {{Name: "libc6", Version: "1", Depends: [][]string{{"a", "b"}}}}}
	require.NoError(t, k.keepDebs(want))
	got, ok := k.cachedDebs()
	require.True(t, ok)
	require.Equal(t, want, got)
}
