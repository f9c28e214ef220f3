package logs

import "regexp"

var validRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// RequestID returns the first of the ids that is safe to log: 1 to 64 letters,
// digits, dots, underscores and hyphens. It returns "" if none is.
func RequestID(ids ...string) string {
	for _, id := range ids {
		if validRequestID.MatchString(id) {
			return id
		}
	}
	return ""
}
