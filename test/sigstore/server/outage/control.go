package outage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Control is the HTTP interface of the gates, by the names of their servers:
//
//	PUT /fulcio?mode=503&requests=3
//	PUT /fulcio?mode=reset&for=10s
//	DELETE /fulcio                   the outage is over
//	GET /fulcio                      {"requests":7,"failed":3}
type Control map[string]*Gate

func (c Control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	gate := c[r.URL.Path[1:]]
	if gate == nil {
		http.Error(w, "no such server", http.StatusNotFound)
		return
	}
	var err error
	switch r.Method {
	case http.MethodGet:
	case http.MethodPut:
		err = failAs(gate, r.URL.Query())
	case http.MethodDelete:
		err = gate.Fail(Unavailable, 0, 0)
	default:
		http.Error(w, "want GET, PUT or DELETE", http.StatusMethodNotAllowed)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	requests, failed := gate.Count()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{"requests": requests, "failed": failed})
}

func failAs(gate *Gate, query url.Values) error {
	var (
		n   int
		d   time.Duration
		err error
	)
	for name, values := range query {
		switch name {
		case "mode":
		case "requests":
			n, err = strconv.Atoi(values[0])
		case "for":
			d, err = time.ParseDuration(values[0])
		default:
			err = fmt.Errorf("parameter %q is unknown: want mode, requests, for", name)
		}
		if err != nil {
			return err
		}
	}
	if n == 0 && d == 0 {
		return fmt.Errorf("want requests=N or for=DURATION")
	}
	return gate.Fail(Mode(query.Get("mode")), n, d)
}
