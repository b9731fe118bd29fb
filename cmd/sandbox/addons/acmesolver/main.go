// Command acmesolver answers an HTTP-01 challenge of cert-manager: the image of the
// pods that cert-manager starts for it holds this program alone.
package main

import (
	"flag"
	"fmt"
	"os"

	logf "github.com/cert-manager/cert-manager/pkg/logs"

	"github.com/cert-manager/cert-manager/pkg/issuer/acme/http/solver"
)

func main() {
	var s solver.HTTP01Solver
	flag.IntVar(&s.ListenPort, "listen-port", 8089, "the `PORT` on which challenges are answered")
	flag.StringVar(&s.Domain, "domain", "", "the name that is proved")
	flag.StringVar(&s.Token, "token", "", "the challenge's token")
	flag.StringVar(&s.Key, "key", "", "the answer")
	flag.Parse()
	if err := s.Listen(logf.Log); err != nil {
		fmt.Fprintln(os.Stderr, "acmesolver:", err)
		os.Exit(1)
	}
}
