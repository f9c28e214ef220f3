package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// attack is one kind of attack on an instance.
type attack struct {
	name, what string
	// own lets the attacker sign in to its own accounts before, with known browsers.
	own bool
	// next returns the attacker's next request. Nil is no attack.
	next func(r *rand.Rand, devices []string) request
	// ownerAt is where the owner's known browser is.
	ownerAt string
	// neighbor is the address of further honest clients beside the attacker, or "".
	neighbor string
	// judged is the event that the instance stores for each guess that it judged.
	judged string
	// perDay says how many guesses are judged in a day.
	perDay func() (string, error)
}

// The addresses of the clients. The owner and single attackers have those of RFC 5737 and
// RFC 3849, other honest clients 100.64.0.0/10 (RFC 6598), and botnets 198.18.0.0/15
// (RFC 2544).
const (
	ownerHome       = "192.0.2.10"
	attackerAddress = "203.0.113.66"
	attackerPrefix  = "2001:db8:bad:"
)

func honestAddress(n int) string { return fmt.Sprintf("100.64.%d.%d", n/250%250, 1+n%250) }

// botAddress returns one of the addresses of a botnet.
func botAddress(r *rand.Rand, of int) string {
	n := r.IntN(of)
	return fmt.Sprintf("198.18.%d.%d", n/250, 1+n%250)
}

func guess(r *rand.Rand) string { return "wrong guess " + strconv.FormatUint(r.Uint64(), 36) }

var attacks = []attack{
	{name: "none", what: "honest users alone"},
	{
		name: "botnet", what: "10,000 addresses guess the password of one account",
		next: func(r *rand.Rand, _ []string) request {
			return signIn(botAddress(r, 10_000), loginID("owner", 0), guess(r), "")
		},
		judged: "owner authn_login_fail wrong_password", perDay: botnetPerDay,
	},
	{
		name: "botnet-accounts", what: "10,000 addresses guess at 400 other accounts",
		next: func(r *rand.Rand, _ []string) request {
			return signIn(botAddress(r, 10_000), loginID("target", r.IntN(targetUsers)), guess(r), "")
		},
		judged: "target authn_login_fail wrong_password", perDay: botnetAccountsPerDay,
	},
	{
		name: "ipv6", what: "one IPv6 /48 guesses at 400 other accounts, from a random /64 each time",
		next: func(r *rand.Rand, _ []string) request {
			return signIn(fmt.Sprintf("%s%x::%x", attackerPrefix, r.IntN(1<<16), 1+r.IntN(1<<16)), loginID("target", r.IntN(targetUsers)), guess(r), "")
		},
		judged: "target authn_login_fail wrong_password", perDay: ipv6PerDay,
	},
	{
		name: "own-accounts", what: "one address signs in to ten accounts of its own, with known browsers and right passwords",
		own: true,
		next: func(r *rand.Rand, devices []string) request {
			n := r.IntN(len(devices))
			return signIn(attackerAddress, loginID("attacker", n), rightPassword, devices[n])
		},
	},
	{
		name: "neighbor", what: "the attacker has the same address as the owner, and guesses at 400 other accounts",
		next: func(r *rand.Rand, _ []string) request {
			return signIn(attackerAddress, loginID("target", r.IntN(targetUsers)), guess(r), "")
		},
		ownerAt: attackerAddress, neighbor: attackerAddress,
		judged: "target authn_login_fail wrong_password", perDay: oneAddressPerDay,
	},
	{
		name: "resets", what: "10,000 addresses request reset emails, half of them for the owner",
		next: func(r *rand.Rand, _ []string) request {
			id := loginID("owner", 0)
			if r.IntN(2) == 0 {
				id = loginID("unknown", r.IntN(1_000_000))
			}
			return requestReset(botAddress(r, 10_000), id, "")
		},
		perDay: resetsPerDay,
	},
	{
		name: "hashes", what: "10,000 addresses make the instance hash: half of them guess at 40 accounts with imported bcrypt hashes of cost 12, half of them sign in with right passwords",
		next: func(r *rand.Rand, _ []string) request {
			if r.IntN(2) == 0 {
				return signIn(botAddress(r, 10_000), loginID("foreign", r.IntN(foreignUsers)), guess(r), "")
			}
			return signIn(botAddress(r, 10_000), loginID("attacker", r.IntN(attackerUsers)), rightPassword, "")
		},
		judged: "foreign authn_login_fail wrong_password",
	},
}
