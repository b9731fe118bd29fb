package github

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	gogithub "github.com/google/go-github/v90/github"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// State is what GitHub's page shows of a deployment.
type State string

// The states that a run gives.
const (
	InProgress State = "in_progress"
	Success    State = "success" // it runs: GitHub calls the newest one of an environment active
	Failure    State = "failure"
	Broken     State = "error" // how it ended is not known
	Inactive   State = "inactive"
)

// Deployment is what a run deploys, or has deployed.
type Deployment struct {
	Environment string // "production"
	Commit      string // full SHA-1 of what the image was built of
	Release     string
	Namespace   string
	Image       string // REPOSITORY@sha256:…
}

const (
	writes = "deployments: write"
	reads  = "deployments: read"
	// maxStatus is how long the description of a status may be, in characters; a
	// longer one is a 422 (Shopify/shipit-engine#1004).
	maxStatus = 140
	// maxListed is how many of the newest deployments are looked at.
	maxListed = 100
)

// payload is what GitHub keeps with a deployment for us.
type payload struct {
	Stagecrew *kept `json:"stagecrew"`
}

type kept struct {
	Release   string `json:"release"`
	Namespace string `json:"namespace"`
	Image     string `json:"image"`
}

// listed is a deployment as GitHub has it.
type listed struct {
	Deployment
	id   int64
	ours bool
}

// create makes a deployment of a commit. GitHub neither merges anything into it nor
// asks for its checks, among which is the job that this runs in (409 otherwise).
func (c *Client) create(ctx context.Context, d Deployment) (id int64, err error) {
	no := false
	request := gogithub.DeploymentRequest{
		Ref: d.Commit, Environment: &d.Environment, AutoMerge: &no, RequiredContexts: []string{},
		Payload: payload{&kept{Release: d.Release, Namespace: d.Namespace, Image: d.Image}},
	}
	err = c.make(ctx, "making a deployment", writes, func() error {
		made, _, err := c.api.Repositories.CreateDeployment(ctx, c.owner, c.name, request)
		id = made.GetID()
		return err
	})
	return id, err
}

// status is one entry of a deployment's history.
type status struct {
	state       State
	description string
	run         string // URL of the run
	url         string // at which users reach what was deployed, "" for none
	// replaces lets GitHub call all other deployments of the environment inactive; it
	// does so unless that is called production.
	replaces bool
}

// set adds a status. An address that is empty is left out: GitHub answers it with
// nothing at all (bobheadxi/deployments#153).
func (c *Client) set(ctx context.Context, id int64, s status) error {
	request := gogithub.DeploymentStatusRequest{State: string(s.state), LogURL: optional(s.run), Description: optional(text.Line(s.description, maxStatus-1)), AutoInactive: &s.replaces}
	if s.state == Success {
		request.EnvironmentURL = optional(address(s.url))
	}
	return c.ask(ctx, "telling the state of a deployment", writes, func() error {
		_, _, err := c.api.Repositories.CreateDeploymentStatus(ctx, c.owner, c.name, id, request)
		return err
	})
}

// address is an URL as everybody may see it who sees the page, "" for what is none:
// GitHub refuses a state that leads anywhere else than to http or https, and shows the
// password in one that has it.
func address(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	u.User = nil
	var b strings.Builder
	for _, c := range []byte(u.String()) {
		if c <= ' ' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// list gives the newest deployments first, of all environments for "".
func (c *Client) list(ctx context.Context, environment string) (all []listed, err error) {
	query := &gogithub.DeploymentsListOptions{Environment: environment, ListOptions: gogithub.ListOptions{PerPage: maxListed}}
	err = c.ask(ctx, "reading the deployments", reads, func() error {
		found, _, err := c.api.Repositories.ListDeployments(ctx, c.owner, c.name, query)
		all = all[:0]
		for _, one := range found {
			all = append(all, readDeployment(one))
		}
		return err
	})
	return all, err
}

func readDeployment(d *gogithub.Deployment) listed {
	one := listed{Deployment: Deployment{Environment: d.GetEnvironment(), Commit: d.GetSHA()}, id: d.GetID()}
	content := []byte(d.Payload)
	var document string
	if json.Unmarshal(content, &document) == nil { // GitHub gives it back as it was sent, or as a text
		content = []byte(document)
	}
	var p payload
	if json.Unmarshal(content, &p) == nil && p.Stagecrew != nil {
		one.ours, one.Release, one.Namespace, one.Image = true, p.Stagecrew.Release, p.Stagecrew.Namespace, p.Stagecrew.Image
	}
	return one
}

// latest is the newest status of a deployment, zero without any.
func (c *Client) latest(ctx context.Context, id int64) (s status, err error) {
	err = c.ask(ctx, "reading the state of a deployment", reads, func() error {
		all, _, err := c.api.Repositories.ListDeploymentStatuses(ctx, c.owner, c.name, id, &gogithub.ListOptions{PerPage: 1})
		if len(all) > 0 {
			s = status{state: State(all[0].GetState()), description: all[0].GetDescription(), run: all[0].GetLogURL(), url: all[0].GetEnvironmentURL()}
			if s.run == "" {
				s.run = all[0].GetTargetURL()
			}
		}
		return err
	})
	return s, err
}
