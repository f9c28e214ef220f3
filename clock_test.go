package usher_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// timed is a store with a clock, which in a bubble is the right one.
type timed struct{ store.Store }

func (timed) Time(context.Context) (time.Time, error) { return time.Now(), nil }

func TestAMachineWithAWrongClockDoesNotStart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for off, refused := range map[time.Duration]bool{
		3 * time.Second: false, -3 * time.Second: false, 30 * time.Second: false,
		10 * time.Minute: true, -10 * time.Minute: true,
	} {
		cfg := k.cfg
		cfg.Now = func() time.Time { return time.Now().Add(off) }
		s, err := usher.New(ctx, timed{memory.New()}, cfg)
		if err == nil {
			s.Close(ctx)
		}
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), "clock") {
			t.Errorf("off by %s: %v", off, err)
		}
	}
}

func TestAClockThatGoesWrongIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &clock{} // how far it is ahead
		k, log := followed(t, timed{memory.New()}, func(cfg *usher.Config) {
			cfg.Now = func() time.Time { return time.Now().Add(c.now().Sub(time.Time{})) }
		})
		for _, step := range []struct {
			ahead, silent bool
			by            time.Duration
		}{{silent: true}, {by: 3 * time.Second, silent: true}, {by: 10 * time.Second}, {by: 10 * time.Minute, ahead: true}} {
			c.add(time.Time{}.Add(step.by).Sub(c.now()))
			log.Reset()
			time.Sleep(61 * time.Second)
			if err := k.Ping(ctx); (err != nil) != step.ahead {
				t.Errorf("ahead by %s: Ping says %v", step.by, err)
			}
			if told := strings.Contains(log.String(), "clock of this machine"); told == step.silent {
				t.Errorf("ahead by %s: told is %v", step.by, told)
			}
		}
		c.add(time.Time{}.Sub(c.now()))
		time.Sleep(61 * time.Second)
		if err := k.Ping(ctx); err != nil {
			t.Errorf("the clock is right again: %v", err)
		}
	})
}
