package github

import (
	"context"
	"fmt"
	"slices"
	"strings"

	gogithub "github.com/google/go-github/v90/github"
)

// MaxComment is below what a comment may have, in bytes: more than 65,536 characters
// are a 422 (suzuki-shunsuke/tfcmt#227).
const MaxComment = 65000

const comments = "pull-requests: write"

// maxPages bounds how many hundreds of comments are looked through.
const maxPages = 10

// Comment leaves one comment on a pull request: the one with the key that is there is
// changed, otherwise one is made. The body is Markdown of at most [MaxComment] bytes.
func (c *Client) Comment(ctx context.Context, pullRequest int, key, body string) error {
	// Nothing in it ends the HTML comment: "-->" and "--!>" do.
	marker := fmt.Sprintf("<!-- stagecrew: %s -->", strings.NewReplacer("--", "- -", ">", "&gt;").Replace(strings.ToValidUTF8(key, "?")))
	body = marker + "\n" + body
	id, err := c.findComment(ctx, pullRequest, marker)
	switch {
	case err != nil:
		return err
	case id == 0:
		return c.make(ctx, "commenting on the pull request", comments, func() error {
			_, _, err := c.api.Issues.CreateComment(ctx, c.owner, c.name, pullRequest, &gogithub.IssueComment{Body: &body})
			return err
		})
	}
	return c.ask(ctx, "changing the comment on the pull request", comments, func() error {
		_, _, err := c.api.Issues.EditComment(ctx, c.owner, c.name, id, &gogithub.IssueComment{Body: &body})
		return err
	})
}

// findComment gives the newest comment that begins with the marker, 0 for none.
func (c *Client) findComment(ctx context.Context, pullRequest int, marker string) (id int64, err error) {
	query := &gogithub.IssueListCommentsOptions{ListOptions: gogithub.ListOptions{PerPage: 100, Page: 1}}
	for query.Page != 0 && query.Page <= maxPages {
		err = c.ask(ctx, "reading the comments of the pull request", "pull-requests: read", func() error {
			all, answer, err := c.api.Issues.ListComments(ctx, c.owner, c.name, pullRequest, query)
			if err != nil {
				return err
			}
			for _, one := range all {
				if strings.HasPrefix(one.GetBody(), marker) && isTrusted(one) {
					id = one.GetID()
				}
			}
			query.Page = answer.NextPage
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return id, nil
}

// isTrusted reports whether a comment is of a user who may write here: anybody can
// write a marker, and change his comment afterwards.
func isTrusted(one *gogithub.IssueComment) bool {
	return one.GetUser().GetType() == "Bot" || slices.Contains([]string{"OWNER", "MEMBER", "COLLABORATOR"}, one.GetAuthorAssociation())
}
