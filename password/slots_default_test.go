package password_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/usherkit/usher/password"
)

// One hash of four threads keeps four cores busy.
func TestLM02_DefaultSlotsFollowTheThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	for _, c := range []struct {
		config password.HasherConfig
		want   int
	}{
		{password.HasherConfig{}, 2},
		{password.HasherConfig{Params: password.Params{Threads: 3}}, 3},
		{password.HasherConfig{Params: password.Params{Threads: 1}}, 8},
		{password.HasherConfig{Params: password.Params{Threads: 64}}, 1},
		{password.HasherConfig{Algorithm: password.PBKDF2SHA256}, 8},
		{password.HasherConfig{Slots: 5}, 5},
	} {
		h, err := password.NewHasher(c.config)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Slots(); got != c.want {
			t.Errorf("%+v: %d slots, want %d", c.config, got, c.want)
		}
	}
	if h, err := password.NewHasher(password.HasherConfig{Slots: -1}); err == nil || !strings.Contains(err.Error(), "Slots") {
		t.Errorf("%v, %v", h, err)
	}
}
