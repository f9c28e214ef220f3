package usher

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// How mail is sent: one machine takes a few messages at a time and keeps them
// from the others for the lease; a failed try waits longer each time, and after
// the last one the message is given up.
const (
	mailLease    = 2 * time.Minute
	mailBatch    = 8
	mailTimeout  = time.Minute
	mailInterval = 5 * time.Second
	mailTries    = 12
)

// mailWaits are the pauses after each failed try; the last one repeats.
var mailWaits = []time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour,
}

// sealedMessage is a Message as it lies in the outbox.
type sealedMessage struct {
	Kind               MessageKind `json:"k"`
	To                 string      `json:"to"`
	Link               string      `json:"l,omitempty"`
	ExpiresAt          time.Time   `json:"x,omitzero"`
	At                 time.Time   `json:"at"`
	Address, UserAgent string      `json:",omitempty"`
}

// mailTo returns the row for one mail, or none if the address has had too many
// in this hour or the outbox is full: then the caller's answer stays the same.
func (s *Service) mailTo(ctx context.Context, address string, m Message, c Client) []QueuedMail {
	drop := func(reason string) []QueuedMail {
		s.cfg.Logger.Warn("usher: mail dropped", "kind", m.Kind, "reason", reason)
		s.announce(ctx, s.newEvent(EventMailDropped, "", "", reason, c))
		return nil
	}
	canonical, err := CanonicalLoginID(address, true)
	if err != nil {
		return drop("bad_address")
	}
	waiting, err := s.store.MailCount(ctx)
	if err != nil {
		return drop("store_failed")
	}
	if waiting >= s.cfg.Limits.Queue {
		return drop("queue_full")
	}
	if _, err := s.take(ctx, c, s.perHour(limitMails, s.cfg.Limits.Mails, canonical)); err != nil {
		return drop("too_many_mails")
	}
	return s.seal(address, m, c)
}

// noticeTo returns the row for a mail that the owner must get, whatever the
// limits: the password or the address was changed.
func (s *Service) noticeTo(u User, m Message, c Client) []QueuedMail {
	if u.Email == "" {
		return nil
	}
	return s.seal(u.Email, m, c)
}

func (s *Service) seal(address string, m Message, c Client) []QueuedMail {
	now := s.now()
	sealed := sealedMessage{
		Kind: m.Kind, To: address, Link: m.Link.Reveal(), ExpiresAt: m.ExpiresAt, At: now,
		UserAgent: cut(c.UserAgent, 256),
	}
	if c.Address.IsValid() {
		sealed.Address = c.Address.String()
	}
	plain, err := json.Marshal(sealed)
	if err != nil {
		s.cfg.Logger.Error("usher: mail cannot be written down", "kind", m.Kind, "error", err)
		return nil
	}
	id := random(16)
	return []QueuedMail{{ID: id, Sealed: s.mailBox.Seal(plain, id), CreatedAt: now, NotBefore: now}}
}

// queued wakes the sender.
func (s *Service) queued(mail []QueuedMail) {
	if len(mail) == 0 {
		return
	}
	select {
	case s.outbox <- struct{}{}:
	default:
	}
}

// sendMail delivers what is in the outbox until ctx ends.
func (s *Service) sendMail(ctx context.Context) {
	tick := time.NewTicker(mailInterval)
	defer tick.Stop()
	for {
		s.deliverDue(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.outbox:
		}
	}
}

// deliverDue delivers until nothing is due.
func (s *Service) deliverDue(ctx context.Context) {
	for ctx.Err() == nil {
		claim, cancel := context.WithTimeout(ctx, 10*time.Second)
		batch, err := s.store.ClaimMail(claim, s.now(), mailLease*mailBatch, mailBatch)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				s.cfg.Logger.Error("usher: the outbox cannot be read", "error", err)
			}
			return
		}
		for _, q := range batch {
			if ctx.Err() != nil {
				s.putBack(q)
				continue
			}
			s.deliver(ctx, q)
		}
		if len(batch) < mailBatch {
			return
		}
	}
}

// putBack frees a message that was claimed when the process was told to stop.
func (s *Service) putBack(q QueuedMail) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.store.RetryMail(ctx, q.ID, s.now()); err != nil {
		s.cfg.Logger.Warn("usher: a claimed mail could not be put back", "error", err)
	}
}

// deliver tries once, and says so in the outbox even when ctx ends meanwhile.
func (s *Service) deliver(ctx context.Context, q QueuedMail) {
	m, err := s.unseal(q)
	if err != nil {
		s.giveUp(ctx, q, "cannot_be_opened", err)
		return
	}
	if !m.ExpiresAt.IsZero() && !s.now().Before(m.ExpiresAt) {
		s.giveUp(ctx, q, "link_expired", nil)
		return
	}
	send, cancel := context.WithTimeout(ctx, mailTimeout)
	err = s.guard(func() error { return s.cfg.Mailer.Send(send, m) })
	cancel()
	var permanent interface{ Permanent() bool }
	after := context.WithoutCancel(ctx)
	switch {
	case err == nil:
		if err := s.store.FinishMail(after, q.ID, Effects{}); err != nil {
			s.cfg.Logger.Error("usher: a delivered mail could not be removed and will be sent again", "kind", m.Kind, "error", err)
		}
	case errors.As(err, &permanent) && permanent.Permanent():
		s.giveUp(after, q, "refused", err)
	case q.Tries >= mailTries:
		s.giveUp(after, q, "too_many_tries", err)
	default:
		wait := mailWaits[min(max(q.Tries, 1), len(mailWaits))-1]
		s.cfg.Logger.Warn("usher: mail not delivered, will be tried again", "kind", m.Kind, "try", q.Tries, "in", wait, "error", err)
		if err := s.store.RetryMail(after, q.ID, s.now().Add(wait)); err != nil {
			s.cfg.Logger.Error("usher: the outbox cannot be written", "error", err)
		}
	}
}

func (s *Service) unseal(q QueuedMail) (Message, error) {
	plain, err := s.mailBox.Open(q.Sealed, q.ID)
	if err != nil {
		return Message{}, err
	}
	var m sealedMessage
	if err := json.Unmarshal(plain, &m); err != nil {
		return Message{}, err
	}
	return Message{
		ID: q.ID, Kind: m.Kind, To: m.To, Link: Secret(m.Link), ExpiresAt: m.ExpiresAt,
		At: m.At, Address: m.Address, UserAgent: m.UserAgent,
	}, nil
}

func (s *Service) giveUp(ctx context.Context, q QueuedMail, reason string, cause error) {
	s.cfg.Logger.Error("usher: mail given up", "reason", reason, "tries", q.Tries, "error", cause)
	e := s.newEvent(EventMailGivenUp, "", "", reason, Client{})
	if err := s.store.FinishMail(ctx, q.ID, Effects{Events: []Event{e}}); err != nil {
		s.cfg.Logger.Error("usher: the outbox cannot be written", "error", err)
		return
	}
	s.announce(ctx, e)
}
