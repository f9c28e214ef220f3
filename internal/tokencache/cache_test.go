package tokencache_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher/internal/tokencache"
)

func TestCache_AFloodPassesByWhatWasSeenAgain(t *testing.T) {
	c := tokencache.New[int](2*tokencache.MinBytes, time.Now)
	later := time.Now().Add(time.Hour)
	for n := range 100 {
		text := fmt.Sprint("working ", n)
		c.Add(text, n, later, 1000)
		c.Get(text)
	}
	for n := range 100_000 {
		c.Add(fmt.Sprint("flood ", n), n, later, 1000)
	}
	for n := range 100 {
		if e := c.Get(fmt.Sprint("working ", n)); e == nil || e.Value != n {
			t.Fatalf("entry %d was evicted, or is another: %v", n, e)
		}
	}
}

// A text that a flood pushed out of probation is kept when it comes back.
func TestCache_AFloodDoesNotHideWhatComesBack(t *testing.T) {
	c := tokencache.New[int](2*tokencache.MinBytes, time.Now)
	later := time.Now().Add(time.Hour)
	for round := range 2 {
		for n := range 100 {
			text := fmt.Sprint("working ", n)
			if c.Get(text) == nil {
				c.Add(text, n, later, 1000)
			}
		}
		for n := range 400 {
			c.Add(fmt.Sprint("flood ", round, " ", n), n, later, 1000)
		}
	}
	kept := 0
	for n := range 100 {
		if c.Get(fmt.Sprint("working ", n)) != nil {
			kept++
		}
	}
	if kept < 40 {
		t.Errorf("%d of 100 entries were kept", kept)
	}
}

func TestCache_KeepsToItsBytes(t *testing.T) {
	const limit = 4 << 20
	c := tokencache.New[string](limit, time.Now)
	later := time.Now().Add(time.Hour)
	before := heap()
	for n := range 20_000 {
		text := fmt.Sprint(strings.Repeat("x", 500), 100_000+n)
		c.Add(text, strings.Repeat("v", 300), later, 300)
		c.Get(text)
		c.Get(text)
	}
	if grown := heap() - before; grown > limit || grown < limit/2 {
		t.Errorf("the heap grew by %d bytes, the limit is %d", grown, limit)
	}
	runtime.KeepAlive(c)
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

func TestCache_LastAddCountsAndRemoveIsFinal(t *testing.T) {
	c := tokencache.New[int](tokencache.MinBytes, time.Now)
	later := time.Now().Add(time.Hour)
	c.Add("a", 1, later, 0)
	first := c.Get("a")
	c.Add("a", 2, later, 0)
	c.Remove(first) // which is not the one in there
	if e := c.Get("a"); e == nil || e.Value != 2 {
		t.Fatalf("%v", e)
	}
	c.Remove(c.Get("a"))
	if e := c.Get("a"); e != nil {
		t.Errorf("removed, and found: %v", e)
	}
	if c.Get("") != nil || c.Get("b") != nil {
		t.Error("found what was never there")
	}
}

func TestCache_DropsWhatHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := tokencache.New[int](tokencache.MinBytes, time.Now)
		c.Add("short", 1, time.Now().Add(time.Minute), 0)
		c.Add("long", 2, time.Now().Add(time.Hour), 0)
		time.Sleep(2*time.Minute + time.Second)
		if c.Get("short") != nil || c.Get("long") == nil {
			t.Error("not dropped, or the wrong one")
		}
		time.Sleep(time.Hour)
		if c.Get("long") != nil {
			t.Error("the sweep did not come back")
		}
		c.Add("again", 3, time.Now().Add(time.Minute), 0) // and it starts anew
		time.Sleep(3 * time.Minute)
		if c.Get("again") != nil {
			t.Error("the sweep did not start again")
		}
	})
}

func TestCache_ManyAtOnce(t *testing.T) {
	c := tokencache.New[string](tokencache.MinBytes, time.Now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for n := range 3000 {
				text := fmt.Sprint(n % 700)
				if e := c.Get(text); e == nil {
					c.Add(text, text, time.Now().Add(time.Hour), 2000)
				} else if e.Value != text {
					t.Errorf("%s is %s", text, e.Value)
				} else if n%50 == 0 {
					c.Remove(e)
				}
			}
		})
	}
	wg.Wait()
}
