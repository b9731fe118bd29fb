package kube

import (
	"context"
	"fmt"
	"net"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// DialService connects with a ready pod behind a Service's port, whatever is spoken
// there, by a port-forward that ends with the connection. An error of the tunnel is of
// [record.KindUnavailable].
func (c *Cluster) DialService(ctx context.Context, service record.Service) (net.Conn, error) {
	pod, err := serviceTransport{cluster: c, service: service}.endpoint(ctx)
	if err != nil {
		return nil, unavailable(fmt.Errorf("finding an endpoint of Service/%s: %w", service.Name, err))
	}
	f := c.forward(pod)
	connection, err := f.dial(ctx, "", "")
	if err != nil {
		f.close()
		return nil, err
	}
	return tunnelledConn{connection, f}, nil
}

type tunnelledConn struct {
	net.Conn
	forward *forward
}

// Close ends the connection and its tunnel.
func (c tunnelledConn) Close() error {
	defer c.forward.close()
	return c.Conn.Close()
}
