package githubtest

import (
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Comment is one of the pull request, which has the number 5.
type Comment struct {
	ID                int64
	Body              string
	User, Association string // "Bot" or "User"; OWNER, MEMBER, NONE …
}

// commentSchema is that of POST /repos/{owner}/{repo}/issues/{issue_number}/comments and
// of the change of one.
var commentSchema = schema{"body": {kind: "string", required: true}}

const maxBody = 65536

// Comments are all, oldest first.
func (s *Server) Comments() []Comment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.comments)
}

// AddComment adds one that was there before.
func (s *Server) AddComment(one Comment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one.ID = s.next()
	s.comments = append(s.comments, one)
}

func shownComment(one Comment) map[string]any {
	return map[string]any{"id": one.ID, "body": one.Body, "author_association": one.Association, "user": map[string]any{"login": "somebody", "type": one.User}}
}

func (s *Server) isThere(c *call) bool {
	if c.r.PathValue("number") != "5" {
		refuse(c.w, http.StatusNotFound, "Not Found", nil)
		return false
	}
	return true
}

func (s *Server) listComments(c *call) {
	if !s.isThere(c) {
		return
	}
	all := []any{}
	for _, one := range s.comments {
		all = append(all, shownComment(one))
	}
	answer(c.w, http.StatusOK, page(c, all))
}

// readBody answers itself when the body is not as described.
func (c *call) readBody() (text string, ok bool) {
	body, ok := c.read("IssueComment", commentSchema)
	if !ok {
		return "", false
	}
	text, _ = body["body"].(string)
	if utf8.RuneCountInString(text) > maxBody {
		refuse(c.w, http.StatusUnprocessableEntity, "Validation Failed", nil,
			map[string]any{"resource": "IssueComment", "field": "data", "code": "unprocessable", "message": "Body is too long (maximum is 65536 characters)"})
		return "", false
	}
	return text, true
}

func (s *Server) createComment(c *call) {
	if !s.isThere(c) {
		return
	}
	if text, ok := c.readBody(); ok {
		one := Comment{ID: s.next(), Body: text, User: "Bot", Association: "NONE"}
		s.comments = append(s.comments, one)
		answer(c.w, http.StatusCreated, shownComment(one))
	}
}

func (s *Server) updateComment(c *call) {
	id, _ := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	i := slices.IndexFunc(s.comments, func(one Comment) bool { return one.ID == id })
	if i < 0 {
		refuse(c.w, http.StatusNotFound, "Not Found", nil)
		return
	}
	if text, ok := c.readBody(); ok {
		s.comments[i].Body = text
		answer(c.w, http.StatusOK, shownComment(s.comments[i]))
	}
}
