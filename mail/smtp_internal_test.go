package mail

import "testing"

// The check applies to the resolved address, because a hosts file may map localhost
// to any address.
func TestML03_PlaintextChecksTheResolvedAddress(t *testing.T) {
	for address, ok := range map[string]bool{
		"127.0.0.1:25": true, "[::1]:25": true, "[::ffff:127.0.0.1]:25": true,
		"192.0.2.1:25": false, "[2001:db8::1]:25": false, "0.0.0.0:25": false, "localhost:25": false, "": false,
	} {
		if err := loopbackOnly("tcp", address, nil); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}
