package sqlite_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
)

func BenchmarkStartSession(b *testing.B) {
	s := openNew(b)
	must(b, errOf(s.CreateUser(context.Background(), creation("u"))))
	n := 0
	for b.Loop() {
		n++
		in := signIn("u", n)
		in.Max = 5
		_, err := s.StartSession(context.Background(), in)
		must(b, err)
	}
}

func BenchmarkSwapRefresh(b *testing.B) {
	s := openNew(b)
	must(b, errOf(s.CreateUser(context.Background(), creation("u"))))
	n := 0
	in := refresh("u-s1", "0")
	for b.Loop() {
		n++
		in.Next, in.Swapped = digest(fmt.Sprint(n)), effects(fmt.Sprint(n))
		r, err := s.SwapRefresh(context.Background(), in)
		must(b, err)
		if r.Outcome != store.RefreshSwapped {
			b.Fatal(r.Outcome)
		}
		in.Presented = in.Next
	}
}

func BenchmarkTakeLimits(b *testing.B) {
	limit := func(n int) []store.Limit {
		return []store.Limit{
			{Key: fmt.Sprint("id ", n%1000), Max: 1 << 40, Window: time.Hour},
			{Key: "network", Max: 1 << 40, Window: time.Hour},
		}
	}
	b.Run("let through", func(b *testing.B) {
		s := openNew(b)
		n := 0
		for b.Loop() {
			n++
			_, err := s.TakeLimits(context.Background(), now, limit(n))
			must(b, err)
		}
	})
	b.Run("refused", func(b *testing.B) {
		s := openNew(b)
		attacked := []store.Limit{{Key: "k", Max: 1, Window: time.Hour}}
		_, err := s.TakeLimits(context.Background(), now, attacked)
		must(b, err)
		for b.Loop() {
			r, err := s.TakeLimits(context.Background(), now, attacked)
			must(b, err)
			if r.Refused != 0 {
				b.Fatal(r)
			}
		}
	})
}
