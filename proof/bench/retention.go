package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/usherkit/usher"
)

const (
	refreshesPerSecond = 1000
	renewalsKept       = time.Minute // the shortest that Usher accepts
	retentionClients   = 16
)

// retention runs a fixed rate of refreshes and shows that the audit table stops growing:
// a Service removes the events of refreshes that are older than a minute.
func (s *suite) retention() error {
	seconds, step := 240, 30
	if s.quick {
		seconds, step = 20, 10
	}
	s.section("A thousand refreshes a second", fmt.Sprintf("%d clients exchange refresh tokens at %s a second in total, while a Service with EventRetentionByName of %v for session_renewed cleans once a minute. A run removes all rows that have expired, so the table holds the rows of one to two minutes. With the default of 24 hours the same rate keeps 86,400,000 to 86,460,000 rows.", retentionClients, thousands(refreshesPerSecond), renewalsKept))
	s.header("", "after", "refreshes", "rows in the audit table")
	engines := []func() (*filledStore, error){func() (*filledStore, error) { return s.sqliteToFill("retention") }}
	if !s.noPostgres {
		server, err := s.startPostgres("shared_buffers=256MB", "max_wal_size=4GB")
		if err != nil {
			return err
		}
		defer server.close()
		engines = append(engines, func() (*filledStore, error) { return s.postgresToFill(server, "retention") })
	}
	for _, open := range engines {
		f, err := open()
		if err != nil {
			return err
		}
		err = errors.Join(s.retentionOn(f, seconds, step), f.close())
		if err != nil {
			return fmt.Errorf("%s: %w", f.engine, err)
		}
	}
	return nil
}

func (s *suite) retentionOn(f *filledStore, seconds, step int) error {
	if err := f.fill(s.ctx, 2000); err != nil {
		return err
	}
	service, err := newService(f.store, 0, usher.Config{
		EventRetentionByName: map[usher.EventName]time.Duration{usher.EventSessionRenewed: renewalsKept},
	})
	if err != nil {
		return err
	}
	defer service.Close(context.Background())
	var calls atomic.Int64
	done := make(chan error, 1)
	go func() {
		_, err := concurrently(retentionClients, seconds*refreshesPerSecond/retentionClients, f.pacedRefreshes(s.ctx, &calls))
		done <- err
	}()
	report := time.NewTicker(time.Duration(step) * time.Second)
	defer report.Stop()
	for at := step; ; at += step {
		select {
		case <-report.C:
		case err := <-done:
			return err
		}
		var rows int
		if err := f.db.QueryRowContext(s.ctx, `SELECT COUNT(*) FROM usher_events`).Scan(&rows); err != nil {
			return err
		}
		s.row(f.engine, fmt.Sprint(at, " s"), thousands(int(calls.Load())), thousands(rows))
	}
}

// pacedRefreshes returns a call that exchanges a refresh token of a random session, and
// returns in time for all clients together to make refreshesPerSecond.
func (f *filledStore) pacedRefreshes(ctx context.Context, calls *atomic.Int64) func(client int) error {
	began := time.Now()
	return func(int) error {
		n := int(calls.Add(1))
		swap := newExchange(filledSession(f.order[n%len(f.order)]))
		swap.Next = swap.Presented // so that the next one can present it again
		if _, err := f.store.SwapRefresh(ctx, swap); err != nil {
			return err
		}
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / refreshesPerSecond)))
		return nil
	}
}
