package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
)

// settings are the flags, as given.
type settings struct {
	addr           string
	db             string
	mail           string
	baseURL        string
	secretFile     string
	project        string
	managementKey  string
	passwordMin    int
	redirects      list
	trustedProxies prefixes
	noThrottle     bool
}

// list is a flag that may be given more than once.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(s string) error {
	*l = append(*l, s)
	return nil
}

// prefixes is a list of networks.
type prefixes []netip.Prefix

func (p *prefixes) String() string { return fmt.Sprint(*p) }

func (p *prefixes) Set(s string) error {
	if a, err := netip.ParseAddr(s); err == nil {
		*p = append(*p, netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	n, err := netip.ParsePrefix(s)
	if err != nil {
		return errors.New("must be a network such as 10.0.0.0/8, or an address")
	}
	*p = append(*p, n.Masked())
	return nil
}

// parseFlags reads the command line. Mistakes go to out.
func parseFlags(args []string, out io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("example", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&s.addr, "addr", "127.0.0.1:8080", "`address` to listen on")
	f.StringVar(&s.db, "db", "sqlite:usher.db", "the `store`: sqlite:FILE or postgres://…")
	f.StringVar(&s.mail, "mail", "dir:mail", "`delivery` of mail: dir:FOLDER (one .eml file a message), smtp://user:pass@host:port or smtps://…")
	f.StringVar(&s.baseURL, "base-url", "", "public `URL`, with which mail links and iss begin (default http:// and the address)")
	f.StringVar(&s.secretFile, "secret-file", "usher.secret", "`file` of the secret; made with mode 0600 when it is missing")
	f.StringVar(&s.project, "project", "local", "project `id` of the Descope routes")
	f.StringVar(&s.managementKey, "management-key", "", "`key` that opens the Descope management routes (default none)")
	f.IntVar(&s.passwordMin, "password-min", 15, "least `length` of a password, never under 8")
	f.Var(&s.redirects, "redirect", "a `URL` that redirectUrl may name; may be given more than once (default the base URL)")
	f.Var(&s.trustedProxies, "trusted-proxy", "a `CIDR` whose X-Forwarded-For is believed; may be given more than once (default none)")
	f.BoolVar(&s.noThrottle, "insecure-no-throttle", false, "no limits on tries, for load tests")
	if err := f.Parse(args); err != nil {
		return settings{}, err
	}
	if f.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if s.managementKey != "" || s.project != "local" {
		return settings{}, errors.New("-project and -management-key belong to the Descope routes, which this version does not have yet")
	}
	return s, nil
}

// address returns what the program's own URL is when -base-url does not say.
func defaultBaseURL(a net.Addr, given string) string {
	host, _, err := net.SplitHostPort(given)
	_, port, portErr := net.SplitHostPort(a.String())
	if err != nil || portErr != nil || host == "" {
		return "http://" + a.String()
	}
	return "http://" + net.JoinHostPort(host, port)
}
