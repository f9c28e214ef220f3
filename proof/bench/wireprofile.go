package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// whereTheGuardGoes compares two profiles of the loaded server, one of requests
// without auth and one of protected ones, by what a request costs in each.
func (s *suite) whereTheGuardGoes(srv *server, open []byte, openCPU float64, guarded []byte, guardedCPU float64) error {
	without, err := s.profileOf(srv, open, openCPU)
	if err != nil {
		return err
	}
	with, err := s.profileOf(srv, guarded, guardedCPU)
	if err != nil {
		return err
	}
	type entry struct {
		name string
		more float64
	}
	var list []entry
	for name, cost := range with {
		if told(name) && cost-without[name] > 0 {
			list = append(list, entry{name, cost - without[name]})
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return int(b.more - a.more) })
	s.line("\nWhere the CPU of a protected request goes, by bearer: what each function takes for a request, with all that it calls, beyond what it takes without auth. From a profile of the loaded server in each of the two cases.\n\n| | more, each request |\n|---|---|\n")
	for _, e := range list[:min(len(list), 14)] {
		s.line("| `%s` | %s |\n", e.name, ns(e.more))
	}
	return nil
}

// profileOf is what a request costs in each function, in nanoseconds.
func (s *suite) profileOf(srv *server, request []byte, cpu float64) (map[string]float64, error) {
	period := 15 * time.Second
	if s.quick {
		period = 2 * time.Second
	}
	if _, err := fetch(srv.base + "/profile/start"); err != nil {
		return nil, err
	}
	if _, _, err := hammer(srv.base, request, wireClients, period); err != nil {
		return nil, err
	}
	profile, err := fetch(srv.base + "/profile/stop")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, "wire.prof")
	if err := os.WriteFile(path, profile, 0o600); err != nil {
		return nil, err
	}
	out, err := exec.Command("go", "tool", "pprof", "-top", "-cum", "-nodecount=100000", "-nodefraction=0", "-edgefraction=0", path).Output()
	if err != nil {
		return nil, fmt.Errorf("go tool pprof: %w", err)
	}
	return shares(string(out), cpu)
}

// shares reads what pprof prints, of which a whole costs so much.
func shares(text string, whole float64) (map[string]float64, error) {
	costs := map[string]float64{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line) // flat flat% sum% cum cum% name…
		if len(fields) < 6 || !strings.HasSuffix(fields[4], "%") {
			continue
		}
		percent, err := strconv.ParseFloat(strings.TrimSuffix(fields[4], "%"), 64)
		if err != nil {
			continue // the head of the table
		}
		costs[strings.TrimSuffix(strings.Join(fields[5:], " "), " (inline)")] = percent / 100 * whole
	}
	if len(costs) == 0 {
		return nil, fmt.Errorf("pprof tells nothing: %q", text)
	}
	return costs, nil
}

var ours = regexp.MustCompile(`^(github.com/usherkit/usher|net/http\.|context\.|hash/maphash|runtime\.(mallocgc|gcBgMarkWorker|mapassign|memequal)|time\.Now)|main\.child\.\(\*Middleware\)`)

// told leaves out what is not the guard's, or only around it.
func told(name string) bool {
	return ours.MatchString(name) && !strings.Contains(name, "ServeHTTP") && !strings.Contains(name, "(*conn)")
}

func fetch(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %s", url, answer.StatusCode, text)
	}
	return text, err
}
