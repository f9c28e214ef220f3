package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// series is one line of a plot: x is a count, y nanoseconds.
type series struct {
	name string
	x, y []float64
}

func (s *series) add(x, y float64) { s.x, s.y = append(s.x, x), append(s.y, y) }

// plot draws lines over two logarithmic axes, readable on light and dark pages.
func plot(title, xName string, lines []series) string {
	const width, height, left, right, top, bottom = 720, 380, 80, 190, 44, 50
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
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%.0f</text>`+"\n", px(x), height-bottom+18, x)
		}
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-10, html.EscapeString(xName))
	colours := []string{"#2a7", "#37c", "#d63"}
	for n, l := range lines {
		colour := colours[n%len(colours)]
		var points []string
		for i := range l.x {
			points = append(points, fmt.Sprintf("%.1f,%.1f", px(l.x[i]), py(l.y[i])))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.5" fill="%s"/>`, px(l.x[i]), py(l.y[i]), colour)
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.Join(points, " "), colour)
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" fill="%s">%s</text>`+"\n", width-right+10, py(l.y[len(l.y)-1])+4, colour, html.EscapeString(l.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
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
