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

// settings are the values of the flags.
type settings struct {
	addr           string
	db             string
	mail           string
	baseURL        string
	secretFile     string
	passwordMin    int
	redirects      list
	trustedProxies prefixes
	noThrottle     bool
	project        string
	managementKey  string
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

// parseFlags reads the command line. It writes errors and the help to out.
func parseFlags(args []string, out io.Writer) (settings, error) {
	var s settings
	f := flag.NewFlagSet("example", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&s.addr, "addr", "127.0.0.1:8080", "`address` to listen on")
	f.StringVar(&s.db, "db", "sqlite:usher.db", "the `store`: sqlite:FILE or postgres://…")
	f.StringVar(&s.mail, "mail", "dir:mail", "`delivery` of emails: dir:FOLDER (one .eml file for each email), smtp://user:pass@host:port or smtps://…")
	f.StringVar(&s.baseURL, "base-url", "", "public `URL`, with which emailed links and iss begin (default http:// and the address)")
	f.StringVar(&s.secretFile, "secret-file", "usher.secret", "`file` of the secret; created with mode 0600 if it is missing")
	f.IntVar(&s.passwordMin, "password-min", 15, "minimum `length` of a password, at least 8")
	f.Var(&s.redirects, "redirect", "a `URL` that redirectUrl may lead to; may be given more than once (default the base URL)")
	f.Var(&s.trustedProxies, "trusted-proxy", "a `CIDR` of proxies whose X-Forwarded-For is trusted; may be given more than once (default none)")
	f.BoolVar(&s.noThrottle, "insecure-no-throttle", false, "no limits on attempts, for load tests")
	f.StringVar(&s.project, "project", "", "project `id` of Descope's SDKs: serves their calls below /v1 and /v2 (default off)")
	f.StringVar(&s.managementKey, "management-key", "", "management `key` of Descope's SDKs: serves their management calls, with -project (default off)")
	if err := f.Parse(args); err != nil {
		return settings{}, err
	}
	if s.managementKey != "" && s.project == "" {
		return settings{}, errors.New("-management-key needs -project")
	}
	if f.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return s, nil
}

// defaultBaseURL returns the URL of a program without -base-url: the host of -addr,
// with the port that it listens on.
func defaultBaseURL(a net.Addr, given string) string {
	host, _, err := net.SplitHostPort(given)
	_, port, portErr := net.SplitHostPort(a.String())
	if err != nil || portErr != nil || host == "" {
		return "http://" + a.String()
	}
	return "http://" + net.JoinHostPort(host, port)
}
