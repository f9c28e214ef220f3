// Package outbox delivers the emails that wait in the store, with retries, outside
// of any request.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/usherkit/usher/internal/audit"
	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/store"
)

// Each sender of an instance takes one email at a time and hides it from the other senders
// for the lease. The lease is longer than one attempt may last and much shorter than a link
// is valid. So if the process is killed, another instance still sends the email before its
// link expires. If a mail server hangs for some addresses, only the senders of those emails
// wait. The other senders continue with the other emails.
const (
	senders      = 4
	lease        = 2 * time.Minute
	sendTimeout  = time.Minute
	pollInterval = 5 * time.Second
	maxAttempts  = 12
	// maxUnfinished is how many attempts may end without an outcome: the process was killed
	// each time, or the email was sent each time and could not be removed.
	maxUnfinished = 100
	storeTimeout  = 10 * time.Second
)

// retryDelays are the waits after each failed attempt; the last one repeats.
var retryDelays = []time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour,
}

// EmailInfo describes an email, for logs and events. It may be empty if the
// email could not be opened.
type EmailInfo struct {
	Kind, UserID string
}

// GiveUpError means that no further attempt can succeed.
type GiveUpError struct {
	Reason string // for the event and the log
	Err    error  // may be nil
}

// Error names the reason.
func (e *GiveUpError) Error() string { return "usher: email given up: " + e.Reason }

// Unwrap returns the cause.
func (e *GiveUpError) Unwrap() error { return e.Err }

// Config holds what an Outbox works with. All fields are required.
type Config struct {
	// Ready returns an error while this instance must leave the emails to others.
	Ready func(ctx context.Context) error
	Store store.OutboxStore
	// Send delivers one email. After an error other than *GiveUpError it is called
	// again later.
	Send   func(ctx context.Context, q store.QueuedEmail) (EmailInfo, error)
	Audit  *audit.Log
	Logger *slog.Logger
	Now    func() time.Time
}

// Outbox delivers queued emails. It is safe for concurrent use.
type Outbox struct {
	cfg  Config
	wake chan struct{}
}

// New returns an Outbox. It delivers nothing before [Outbox.Deliver].
func New(cfg Config) *Outbox { return &Outbox{cfg: cfg, wake: make(chan struct{}, 1)} }

// Wake makes an idle sender look for emails now. Call it after queueing one.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Deliver starts the senders in the group.
func (o *Outbox) Deliver(g *background.Group) {
	for range senders {
		g.Go(func(ctx context.Context) {
			for {
				select {
				case <-ctx.Done():
					return
				case <-o.wake:
				}
				if err := background.Guard(func() error { o.DeliverDue(ctx); return nil }); err != nil {
					o.cfg.Logger.Error("usher: the outbox failed", "error", err)
				}
			}
		})
	}
	g.Go(func(ctx context.Context) {
		tick := time.NewTicker(pollInterval)
		defer tick.Stop()
		for {
			o.Wake()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}

// DeliverDue delivers until no email is due. A sender that finds one wakes another
// sender for the next one before it delivers, because its own delivery may hang.
func (o *Outbox) DeliverDue(ctx context.Context) {
	for ctx.Err() == nil {
		claim, cancel := context.WithTimeout(ctx, storeTimeout)
		var claimed []store.QueuedEmail
		err := o.cfg.Ready(claim)
		if err == nil {
			claimed, err = o.cfg.Store.ClaimEmails(claim, o.cfg.Now(), lease, 1)
		}
		cancel()
		if err != nil && ctx.Err() == nil {
			o.cfg.Logger.Error("usher: the outbox cannot be read", "error", err)
		}
		if len(claimed) == 0 {
			return
		}
		o.Wake()
		for _, q := range claimed {
			o.deliver(ctx, q)
		}
	}
}

// deliver makes one attempt and records its outcome, even if ctx ends meanwhile. An
// attempt that ends because ctx ended does not count.
func (o *Outbox) deliver(ctx context.Context, q store.QueuedEmail) {
	if q.Attempts > maxUnfinished {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		o.giveUp(after, q, EmailInfo{}, "too_many_tries", nil)
		return
	}
	attempt, end := context.WithTimeout(ctx, sendTimeout)
	info, err := o.cfg.Send(attempt, q)
	end()
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var final *GiveUpError
	switch {
	case err == nil:
		if err := o.cfg.Store.FinishEmail(after, q.ID, store.Effects{}); err != nil {
			o.cfg.Logger.Error("usher: a delivered email could not be removed and will be sent again", "kind", info.Kind, "error", err)
		}
	case errors.As(err, &final):
		o.giveUp(after, q, info, final.Reason, final.Err)
	case ctx.Err() != nil: // the instance stops, so the attempt says nothing about the email
		if err := o.cfg.Store.ReleaseEmail(after, q.ID, o.cfg.Now()); err != nil {
			o.cfg.Logger.Error("usher: the outbox cannot be written", "error", err)
		}
	case q.Attempts >= maxAttempts:
		o.giveUp(after, q, info, "too_many_tries", err)
	default:
		pause := retryDelays[min(max(q.Attempts, 1), len(retryDelays))-1]
		if err := o.cfg.Store.RetryEmail(after, q.ID, o.cfg.Now().Add(pause)); err != nil {
			o.cfg.Logger.Error("usher: the outbox cannot be written", "error", err)
		}
		o.cfg.Logger.Warn("usher: email not delivered, another attempt follows", "kind", info.Kind, "user_id", info.UserID, "attempt", q.Attempts, "in", pause, "error", err)
	}
}

func (o *Outbox) giveUp(ctx context.Context, q store.QueuedEmail, info EmailInfo, reason string, cause error) {
	o.cfg.Logger.Error("usher: email given up", "kind", info.Kind, "user_id", info.UserID, "reason", reason, "attempts", q.Attempts, "error", cause)
	e := o.cfg.Audit.NewEvent(store.EventEmailGivenUp, info.UserID, "", strings.TrimSpace(reason+" "+info.Kind), audit.Client{})
	if err := o.cfg.Store.FinishEmail(ctx, q.ID, store.Effects{Events: []store.Event{e}}); err != nil {
		o.cfg.Logger.Error("usher: the outbox cannot be written", "error", err)
		return
	}
	o.cfg.Audit.Notify(ctx, e)
}
