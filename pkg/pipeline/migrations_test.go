package pipeline

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestTheCommandRefusesAllThatIsNotFree(t *testing.T) {
	catalog := func(names ...string) migrations.Set { return migrations.Set{"catalog/migrations": names} }
	for code, m := range map[string]record.Migrations{
		"":                          migrations.Compare(catalog("1"), catalog("1")),
		"migrations/needs-database": migrations.Compare(catalog("1"), catalog("1", "2")),
		"migrations/downgrade":      migrations.Compare(catalog("1", "2"), catalog("1")),
		"migrations/unknown":        migrations.Compare(nil, nil),
	} {
		err := mustBeFree(m)
		require.Equal(t, code, record.CodeOf(err))
		require.Equal(t, code != "", record.KindOf(err) == record.KindRefused)
	}
}

func TestTheCommandWantsTwoImagesAndPatternsThatAreSome(t *testing.T) {
	var w witness
	err := Check(Commands()["migrations"], config.Settings{}, w.host())
	require.Equal(t, "config/image", record.CodeOf(err))
	err = Check(Commands()["migrations"], config.Settings{Origin: config.Origin{From: "a/b:c"}, Destination: config.Destination{To: "a/b:d"}, Schema: config.Schema{MigrationFiles: []string{"/app/[*"}}}, w.host())
	require.ErrorContains(t, err, "--migrations")
}
