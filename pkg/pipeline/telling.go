package pipeline

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/github"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// tell has GitHub told something when the run has ended, where the setting wants it. What
// fails of that is a warning; that the token may not, as a fork's, or that the repository
// does not have it, is none unless it was asked for. Failed says what is missing then.
func (h Host) tell(telling config.Telling, failed string, tell func(context.Context, *github.Client, record.Record) error) {
	client, err := h.teller(telling)
	if err != nil {
		h.Log.Warn(failed, "because", err)
	}
	if client == nil {
		return
	}
	h.AtEnd(func(ctx context.Context, r record.Record) {
		err := tell(ctx, client, r)
		switch {
		case github.MayNot(err) && telling == config.TellAuto:
			h.Log.Info(failed, "because", err)
		case err != nil:
			h.Log.Warn(failed, "because", err)
		}
	})
}

// teller is what tells GitHub something, nil where it is not to be told.
func (h Host) teller(telling config.Telling) (*github.Client, error) {
	api := h.Actions.API()
	nobody := telling == config.TellNever || telling == ""
	if nobody || telling == config.TellAuto && (api.Token == "" || api.URL == "") {
		return nil, nil
	}
	return github.New(github.Options{API: api.URL, Repository: api.Repository, Token: api.Token, Version: h.Version})
}
