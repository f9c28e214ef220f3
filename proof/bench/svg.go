package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// series is one line of a plot: x is a count, y nanoseconds.
type series struct {
	name   string
	x, y   []float64
	dashed bool
}

func (s *series) add(x, y float64) { s.x, s.y = append(s.x, x), append(s.y, y) }

// plot draws lines over two logarithmic axes, readable on light and dark pages.
func plot(title, xName string, lines []*series) string {
	const width, height, left, right, top, bottom = 760, 400, 80, 230, 44, 50
	minX, maxX, minY, maxY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for i := range l.x {
			minX, maxX = min(minX, l.x[i]), max(maxX, l.x[i])
			minY, maxY = min(minY, l.y[i]), max(maxY, l.y[i])
		}
	}
	lowX, highX := math.Log10(minX), math.Log10(maxX)
	lowY, highY := math.Floor(math.Log10(minY)), math.Ceil(math.Log10(maxY))
	if highX == lowX {
		highX++
	}
	if highY == lowY {
		highY++
	}
	px := func(x float64) float64 {
		return left + (math.Log10(x)-lowX)/(highX-lowX)*(width-left-right)
	}
	py := func(y float64) float64 {
		return height - bottom - (math.Log10(y)-lowY)/(highY-lowY)*(height-top-bottom)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s" font-family="sans-serif" font-size="12" fill="#777">`+"\n", width, height, html.EscapeString(title))
	fmt.Fprintf(&b, `<text x="%d" y="22" font-size="15">%s</text>`+"\n", left, html.EscapeString(title))
	for e := lowY; e <= highY; e++ {
		y := py(math.Pow(10, e))
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#999" stroke-opacity=".4"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, y, width-right, y, left-8, y+4, axisTime(math.Pow(10, e)))
	}
	if len(lines) > 0 {
		for _, x := range lines[0].x {
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", px(x), height-bottom+18, thousands(int(x)))
		}
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-10, html.EscapeString(xName))
	colours := []string{"#2a7", "#37c", "#d63"}
	var ends []float64
	for _, l := range lines {
		ends = append(ends, py(l.y[len(l.y)-1]))
	}
	labels := apart(ends, 16)
	for n, l := range lines {
		colour, dash := colours[n%len(colours)], ""
		if l.dashed {
			dash = ` stroke-dasharray="6 4"`
		}
		var points []string
		for i := range l.x {
			points = append(points, fmt.Sprintf("%.1f,%.1f", px(l.x[i]), py(l.y[i])))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`, px(l.x[i]), py(l.y[i]), colour)
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"%s/>`, strings.Join(points, " "), colour, dash)
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" fill="%s">%s</text>`+"\n", width-right+10, labels[n]+4, colour, html.EscapeString(l.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// apart moves places on a line as little as need be, so that each is at least so far
// from the next.
func apart(places []float64, least float64) []float64 {
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(places[a], places[b]) })
	moved := slices.Clone(places)
	for range places { // two that part may come near a third
		for k := 1; k < len(order); k++ {
			a, b := order[k-1], order[k]
			if lack := least - (moved[b] - moved[a]); lack > 0 {
				moved[a] -= lack / 2
				moved[b] += lack / 2
			}
		}
	}
	return moved
}

func axisTime(ns float64) string {
	switch {
	case ns >= 1e9:
		return fmt.Sprintf("%.0f s", ns/1e9)
	case ns >= 1e6:
		return fmt.Sprintf("%.0f ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%.0f µs", ns/1e3)
	}
	return fmt.Sprintf("%.0f ns", ns)
}
