package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/usherkit/usher/cookies"
	pw "github.com/usherkit/usher/password"
)

// profiles says where the time and the memory of the three hot acts go.
func (s *suite) profiles() error {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.keyServer.Close()
	jar, request, err := w.withCookies(cookies.Config{Secret: secret})
	if err != nil {
		return err
	}
	guarded, err := w.usher(jar, w.verifier)
	if err != nil {
		return err
	}
	file, err := s.openSQLite("profile.db")
	if err != nil {
		return err
	}
	defer file.Close()
	service, signIn, err := newHandlers(file, 20, pw.HasherConfig{}, nil)
	if err != nil {
		return err
	}
	defer service.Close()
	other, err := s.openSQLite("profile-refresh.db")
	if err != nil {
		return err
	}
	defer other.Close()
	refreshing, err := newRefreshers(other)
	if err != nil {
		return err
	}
	defer refreshing.service.Close()
	s.section("Where the time goes", "The entries with most time (or most bytes allocated) within them, of a CPU and an allocation profile of each act on one core or more.")
	protected := serve(guarded, request, false)
	for _, p := range []struct {
		name string
		do   func() error
	}{
		{"A protected request, sealed cookie", func() error { return protected(1000) }},
		{"A sign-in on SQLite", func() error { return signInJob("", "", signIn, usherSignIn(20)).run(1) }},
		{"A refresh on SQLite", func() error { return refreshing.refresh(0) }},
	} {
		if err := s.profile(p.name, p.do); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (s *suite) profile(name string, do func() error) error {
	period := 5 * time.Second
	if s.quick {
		period = time.Second
	}
	cpu, before, after := filepath.Join(s.dir, "cpu"), filepath.Join(s.dir, "before"), filepath.Join(s.dir, "after")
	if err := writeAllocs(before); err != nil {
		return err
	}
	f, err := os.Create(cpu)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), period)
	defer cancel()
	for ctx.Err() == nil && err == nil {
		err = do()
	}
	pprof.StopCPUProfile()
	if err != nil {
		return err
	}
	if err := writeAllocs(after); err != nil {
		return err
	}
	time1, err := top(cpu)
	if err != nil {
		return err
	}
	memory, err := top("-sample_index=alloc_space", "-base="+before, after)
	if err != nil {
		return err
	}
	s.line("**%s**, time:\n\n```\n%s```\n\nbytes allocated:\n\n```\n%s```\n\n", name, time1, memory)
	return nil
}

func writeAllocs(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return pprof.Lookup("allocs").WriteTo(f, 0)
}

// shownLines is how many entries of a profile the page shows.
const shownLines = 14

// top asks the pprof of the Go distribution, and leaves out the frames of this program
// and those around every request.
func top(args ...string) (string, error) {
	out, err := exec.Command("go", append([]string{"tool", "pprof", "-top", "-cum", "-nodecount=90"}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("go tool pprof: %w", err)
	}
	var b strings.Builder
	lines := 0
	for line := range strings.Lines(string(out)) {
		switch {
		case strings.Contains(line, "flat%"):
			b.WriteString(line)
		case !strings.Contains(line, "%") || strings.HasPrefix(line, "Showing") || strings.HasPrefix(line, "Duration"),
			strings.Contains(line, " main."), strings.Contains(line, " runtime.main"), strings.Contains(line, " runtime.goexit"), strings.Contains(line, "HandlerFunc.ServeHTTP"),
			strings.Contains(line, "runtime/pprof"), strings.Contains(line, "compress/"), strings.Contains(line, "handlers.(*Handlers)"):
		case lines < shownLines:
			b.WriteString(line)
			lines++
		}
	}
	return b.String(), nil
}
