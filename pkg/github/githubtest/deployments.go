package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Deployment is one as the server has it.
type Deployment struct {
	ID          int64
	Environment string
	Commit      string
	Payload     json.RawMessage
	Production  bool
	Statuses    []Status // oldest first
}

// Status is one of a deployment.
type Status struct {
	State, Description, LogURL, EnvironmentURL string
}

// State is that of the newest status, "pending" without one.
func (d Deployment) State() string {
	if len(d.Statuses) == 0 {
		return "pending"
	}
	return d.Statuses[len(d.Statuses)-1].State
}

// deploymentSchema is that of POST /repos/{owner}/{repo}/deployments, and statusSchema
// that of a status.
var (
	deploymentSchema = schema{
		"ref": {kind: "string", required: true}, "task": {kind: "string"}, "auto_merge": {kind: "boolean"},
		"required_contexts": {kind: "strings"}, "payload": {kind: "object"},
		// The name of an environment has 255 characters at most (docs: Managing environments).
		"environment": {kind: "string", max: 255}, "description": {kind: "string", nullable: true},
		"transient_environment": {kind: "boolean"}, "production_environment": {kind: "boolean"},
	}
	statusSchema = schema{
		"state":      {kind: "string", required: true, enum: []string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}},
		"target_url": {kind: "string", format: isURL, said: "target_url must use http(s) scheme"}, "log_url": {kind: "string", format: isURL, said: "log_url must use http(s) scheme"},
		"description": {kind: "string", max: 140}, "environment": {kind: "string", max: 255},
		"environment_url": {kind: "string", format: isURL, said: "environment_url must use http(s) scheme"}, "auto_inactive": {kind: "boolean"},
	}
)

// Deployments are all, oldest first.
func (s *Server) Deployments() []Deployment {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Deployment, len(s.deployments))
	for i, d := range s.deployments {
		all[i] = *d
		all[i].Statuses = slices.Clone(d.Statuses)
	}
	return all
}

// AddDeployment adds one that was there before, such as GitHub's own for a job that has
// an `environment:`.
func (s *Server) AddDeployment(d Deployment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.ID = s.next()
	s.deployments = append(s.deployments, &d)
}

func (s *Server) listDeployments(c *call) {
	query := c.r.URL.Query()
	matching := []any{}
	for _, d := range slices.Backward(s.deployments) {
		if wanted := query.Get("environment"); wanted != "" && d.Environment != wanted {
			continue
		}
		if wanted := query.Get("sha"); wanted != "" && d.Commit != wanted {
			continue
		}
		matching = append(matching, s.shown(d))
	}
	answer(c.w, http.StatusOK, page(c, matching))
}

func (s *Server) shown(d *Deployment) map[string]any {
	payload := any(d.Payload)
	if d.Payload == nil {
		payload = map[string]any{}
	}
	return map[string]any{
		"id": d.ID, "sha": d.Commit, "ref": d.Commit, "task": "deploy", "payload": payload, "environment": d.Environment, "original_environment": d.Environment,
		"description": nil, "production_environment": d.Production, "transient_environment": false,
		"statuses_url": fmt.Sprintf("%s/repos/%s/deployments/%d/statuses", s.URL, Repository, d.ID), "created_at": time.Unix(d.ID, 0).UTC().Format(time.RFC3339),
	}
}

func (s *Server) createDeployment(c *call) {
	body, ok := c.read("Deployment", deploymentSchema)
	if !ok {
		return
	}
	ref, _ := body["ref"].(string)
	contexts, given := body["required_contexts"].([]any)
	merges, said := body["auto_merge"].(bool)
	switch {
	case !s.commits[ref]:
		refuse(c.w, http.StatusUnprocessableEntity, "No ref found for: "+ref, nil)
	case s.failing && (!given || len(contexts) > 0):
		// remind101/slashdeploy#1
		refuse(c.w, http.StatusConflict, "Conflict: Commit status checks failed for "+ref+".", nil, map[string]any{"resource": "Deployment", "field": "required_contexts", "code": "invalid"})
	case merges || !said:
		answer(c.w, http.StatusAccepted, map[string]any{"message": "Auto-merged main into " + ref + " on deployment."})
	default:
		d := &Deployment{ID: s.next(), Commit: ref, Environment: "production"}
		if name, _ := body["environment"].(string); name != "" {
			d.Environment = name
		}
		d.Production = d.Environment == "production"
		d.Payload, _ = json.Marshal(body["payload"])
		s.deployments = append(s.deployments, d)
		answer(c.w, http.StatusCreated, s.shown(d))
	}
}

func (s *Server) find(c *call) *Deployment {
	id, _ := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	i := slices.IndexFunc(s.deployments, func(d *Deployment) bool { return d.ID == id })
	if i < 0 {
		refuse(c.w, http.StatusNotFound, "Not Found", nil)
		return nil
	}
	return s.deployments[i]
}

func (s *Server) listStatuses(c *call) {
	d := s.find(c)
	if d == nil {
		return
	}
	all := []any{}
	for i, one := range slices.Backward(d.Statuses) {
		all = append(all, shownStatus(i, one))
	}
	answer(c.w, http.StatusOK, page(c, all))
}

func shownStatus(i int, s Status) map[string]any {
	return map[string]any{"id": i + 1, "state": s.State, "description": s.Description, "log_url": s.LogURL, "target_url": s.LogURL, "environment_url": s.EnvironmentURL}
}

func (s *Server) createStatus(c *call) {
	d := s.find(c)
	if d == nil {
		return
	}
	body, ok := c.read("DeploymentStatus", statusSchema)
	if !ok {
		return
	}
	text := func(name string) string { value, _ := body[name].(string); return value }
	if address, given := body["environment_url"]; given && address == "" {
		c.w.WriteHeader(http.StatusOK) // and no body: bobheadxi/deployments#153
		return
	}
	one := Status{State: text("state"), Description: text("description"), LogURL: text("log_url"), EnvironmentURL: text("environment_url")}
	d.Statuses = append(d.Statuses, one)
	if auto, given := body["auto_inactive"].(bool); one.State == "success" && (auto || !given) {
		s.deactivate(d)
	}
	answer(c.w, http.StatusCreated, shownStatus(len(d.Statuses)-1, one))
}

// deactivate is what GitHub does with the deployments before one: those of the same
// environment that is not of production, if they had succeeded.
func (s *Server) deactivate(except *Deployment) {
	for _, d := range s.deployments {
		if d != except && d.ID < except.ID && d.Environment == except.Environment && !d.Production && d.State() == "success" {
			d.Statuses = append(d.Statuses, Status{State: "inactive"})
		}
	}
}
