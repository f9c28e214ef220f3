package logs

import "regexp"

var harmless = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// RequestID returns the first of the ids that a log may repeat, or "".
func RequestID(ids ...string) string {
	for _, id := range ids {
		if harmless.MatchString(id) {
			return id
		}
	}
	return ""
}
