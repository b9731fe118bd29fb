package expect

import "time"

// patient is an expectation that says how long it may take to be met.
type patient interface{ patience() time.Duration }

// Patience is how long an answer may take by its expectations, 0 for any time.
func (e All) Patience() (longest time.Duration) {
	for _, one := range e {
		if limited, isLimited := one.(patient); isLimited {
			longest = max(longest, limited.patience())
		}
	}
	return longest
}

func (m MaxLatency) patience() time.Duration { return time.Duration(m) }

// patience leaves time for the start of the browser.
func (b *Browser) patience() time.Duration { return 2 * b.WithDefaults().Within }
