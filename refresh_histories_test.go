package usher_test

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
)

// within and beyond are times within and beyond the grace time of a refresh token.
const within, beyond = 4 * time.Second, 11 * time.Second

// search tries all histories of the refresh tokens of one session, on two instances.
// It goes back in a history by restoring the session in the store.
type search struct {
	*testing.T
	instances [2]*kit
	version   int64 // of the user's password
	next      func(history) []history
	check     func(history)
}

// history is a list of events and what they led to. A token is an index into tokens.
type history struct {
	events  []string
	at      time.Time
	session store.SessionRecord
	ended   bool
	tokens  []issuedToken
	owner   []int // the tokens that were in the owner's jar; the last one still is
	held    []int // tokens of answers to the owner that are under way
	thief   []int // the tokens that the thief got; none before the theft
}

type issuedToken struct {
	raw         usher.Secret
	hash        string
	parent      int
	firstChild  int       // the child that was presented first, or 0
	exchangedAt time.Time // when its newest child was issued
}

// newSearch returns a search, and a session whose owner has its first token.
func newSearch(t *testing.T) (*search, history) {
	k := newKit(t, func(c *usher.Config) { c.OnEvent = nil })
	a := k.signUp(ann)
	h := history{at: k.clock.now(), session: usher.Must(k.store.Session(ctx, a.Session.ID)), owner: []int{1}}
	h.tokens = []issuedToken{{}, {raw: a.Tokens.Refresh, hash: string(h.session.Refresh.Current)}} // 0 is no token
	version := usher.Must(k.store.Account(ctx, a.User.ID)).Password.Version
	return &search{T: t, instances: [2]*kit{k, k.secondInstance()}, version: version}, h
}

// present returns the history after a token was presented, and the token of the answer.
func (s *search) present(h history, who string, presented int) (history, int) {
	h.events = append(slices.Clone(h.events), fmt.Sprint(who, " presents ", presented))
	k := s.instances[len(h.events)%2]
	if err := k.store.EndSession(ctx, h.session.UserID, h.session.ID, store.SessionEnd{}, store.Effects{}); err != nil && !errors.Is(err, store.ErrNotFound) {
		s.Fatal(err)
	}
	usher.Must(k.store.StartSession(ctx, store.SessionStart{Session: h.session, IfPasswordVersion: s.version}))
	k.clock.add(h.at.Sub(k.clock.now()))
	a, err := k.RefreshSession(ctx, h.tokens[presented].raw, home)
	if err != nil {
		wantErr(s.T, err, usher.ErrInvalidSession)
		h.ended = true
		return h, 0
	}
	h.session, h.tokens = usher.Must(k.store.Session(ctx, h.session.ID)), slices.Clone(h.tokens)
	if p := &h.tokens[h.tokens[presented].parent]; p.firstChild == 0 {
		p.firstChild = presented
	} else if p.firstChild != presented && p != &h.tokens[0] {
		s.Fatalf("two children of one token were exchanged: %q", h.events)
	}
	answer := slices.IndexFunc(h.tokens, func(i issuedToken) bool { return i.raw == a.Tokens.Refresh })
	if answer < 0 {
		answer = len(h.tokens)
		h.tokens = append(h.tokens, issuedToken{raw: a.Tokens.Refresh, hash: string(h.session.Refresh.Current), parent: presented})
		h.tokens[presented].exchangedAt = h.at
	}
	return h, answer
}

// ownerPresents returns the histories in which the answer arrives, is lost, or is still
// under way.
func (s *search) ownerPresents(h history, presented int) []history {
	lost, answer := s.present(h, "owner", presented)
	if lost.ended {
		return []history{lost}
	}
	held := lost
	held.held = append(slices.Clone(lost.held), answer)
	return []history{lost.arrives(answer), lost, held}
}

func (h history) arrives(answer int) history {
	h.events = append(slices.Clone(h.events), fmt.Sprint(answer, " arrives"))
	h.owner = got(h.owner, answer)
	return h
}

// got returns the list with the token as the last one.
func got(list []int, token int) []int {
	list = slices.DeleteFunc(slices.Clone(list), func(i int) bool { return i == token })
	return append(list, token)
}

func (h history) waits(d time.Duration) history {
	h.events = append(slices.Clone(h.events), fmt.Sprint(d))
	h.at = h.at.Add(d)
	return h
}

func (h history) jar() int { return h.owner[len(h.owner)-1] }

// late returns the tokens that another tab may have read before the jar got the next
// one: those that were exchanged within the grace time.
func (h history) late() (out []int) {
	for _, i := range h.owner {
		if i != h.jar() && !slices.Contains(out, i) && h.at.Sub(h.tokens[i].exchangedAt) < 10*time.Second {
			out = append(out, i)
		}
	}
	return out
}

// obsolete reports whether a sibling or a child of the token was presented.
func (h history) obsolete(i int) bool {
	t := h.tokens[i]
	first := h.tokens[t.parent].firstChild
	return t.firstChild != 0 || t.parent != 0 && first != 0 && first != i
}

// key describes everything that matters for how the history can continue.
func (h history) key() string {
	names, key := map[int]int{0: 0}, ""
	name := func(i int) int {
		if _, ok := names[i]; !ok {
			names[i] = len(names)
			t := h.tokens[i]
			key += fmt.Sprint(" of ", names[t.parent], h.obsolete(i), t.firstChild != 0, min(h.at.Sub(t.exchangedAt), 10*time.Second))
		}
		return names[i]
	}
	hashed := func(hash []byte) int {
		return name(max(0, slices.IndexFunc(h.tokens, func(t issuedToken) bool { return t.hash == string(hash) })))
	}
	r := h.session.Refresh
	for _, t := range r.Retired {
		if t.Until.After(h.at) {
			key += fmt.Sprint(hashed(t.Hash), t.Until.Sub(h.at), ",")
		}
	}
	key += fmt.Sprint(hashed(r.Previous), min(h.at.Sub(r.RotatedAt), 10*time.Second), ";")
	for _, hash := range append(r.Siblings, r.Current) {
		key += fmt.Sprint(hashed(hash), ",")
	}
	key += fmt.Sprint("jar ", name(h.jar()))
	for what, list := range [][]int{h.late(), h.held, h.thief} {
		for _, i := range list {
			key += fmt.Sprint(" ", what, ":", name(i))
		}
	}
	return key
}

// mustEnd continues a history with refreshes of both clients in turn, beyond the grace
// time. The session must end at the second refresh of the loser at the latest.
func (s *search) mustEnd(h history) {
	for n := 0; len(h.thief) > 0 && !h.ended; n++ {
		if n == 4 {
			s.Fatalf("both go on: %q", h.events)
		}
		h = h.waits(beyond)
		var answer int
		if n%2 == 0 {
			h, answer = s.present(h, "thief", h.thief[len(h.thief)-1])
			h.thief = got(h.thief, answer)
		} else {
			h, answer = s.present(h, "owner", h.jar())
			h.owner = got(h.owner, answer)
		}
	}
}

// raceDetector reports whether the test was built with -race.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// run tries all histories of up to that many events that begin with h. Of the histories
// that can continue in the same ways it continues the first. One goroutine makes the search,
// so with the race detector, which makes it several times as slow, it ends two events earlier.
func (s *search) run(h history, events int) {
	if raceDetector() {
		events -= 2
	}
	seen, level := map[string]bool{}, []history{h}
	for range events + 1 {
		var longer []history
		for _, h := range level {
			if key := h.key(); h.ended || !seen[key] {
				seen[key] = true
				s.check(h)
				if !h.ended {
					longer = append(longer, s.next(h)...)
				}
			}
		}
		level = longer
	}
	s.Logf("%d states", len(seen))
}

// A browser whose answers get lost, late or out of order, and whose tabs present a token
// that another tab has exchanged within the grace time, stays signed in, except if an
// answer arrives after a later token than its own was presented.
func TestSE12_NoHistoryOfAnHonestClientEndsItsSession(t *testing.T) {
	t.Parallel()
	s, h := newSearch(t)
	s.check = func(h history) {
		if h.ended {
			s.Fatalf("signed out: %q", h.events)
		}
	}
	s.next = func(h history) []history {
		out := s.ownerPresents(h, h.jar())
		for _, i := range h.late() {
			out = append(out, s.ownerPresents(h, i)...)
		}
		for n, i := range h.held {
			if !h.obsolete(i) {
				next := h.arrives(i)
				next.held = slices.Delete(slices.Clone(h.held), n, n+1)
				out = append(out, next)
			}
		}
		return append(out, h.waits(within), h.waits(beyond))
	}
	s.run(h, 8)
}

func TestSE13_OfTwoClientsWithOneTokenAtMostOneGoesOn(t *testing.T) {
	t.Parallel()
	s, h := newSearch(t)
	s.check = s.mustEnd
	s.next = func(h history) []history {
		out := s.ownerPresents(h, h.jar())
		out = out[:min(len(out), 2)] // the answer arrives or is lost
		if len(h.thief) == 0 {
			h := h
			h.events, h.thief = append(slices.Clone(h.events), "theft"), []int{h.jar()}
			out = append(out, h)
		}
		for _, i := range h.thief {
			next, answer := s.present(h, "thief", i)
			next.thief = got(h.thief, answer)
			out = append(out, next)
		}
		return append(out, h.waits(within), h.waits(beyond))
	}
	s.run(h, 8)
}
