package pipeline

import (
	"cmp"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// policies are what can be done about the databases before a rollback, by their names.
// The one that does nothing is not among them.
var policies = map[record.MigratedPolicy]func(site, *kube.Cluster) deploy.Undo{}

// checkPolicy refuses a policy that there is not.
func checkPolicy(policy record.MigratedPolicy) error {
	policy = cmp.Or(policy, record.MigratedStop)
	if _, found := policies[policy]; found || policy == record.MigratedStop {
		return nil
	}
	return record.BadInput("config/on-migrated", "--on-migrated %s is not available", policy)
}

// undo is the policy's way, nil for the one that leaves all as it is.
func (s site) undo(policy record.MigratedPolicy, cluster *kube.Cluster) deploy.Undo {
	if begin, found := policies[policy]; found {
		return begin(s, cluster)
	}
	return nil
}
