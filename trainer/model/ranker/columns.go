package ranker

import (
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/mixer"
)

// The columns of one candidate. Zero always means "nothing known", and most columns of most candidates are zero.
const (
	colSequence     = iota // log of the network's probability over the uniform one, 0 without a network
	colFollows             // log(1 + 1000 x windowed transition score)
	colFollowsAll          // log(1 + 1000 x mean transition share from the last basket)
	colNext                // log(1 + 1000 x mean share of the last basket's items in the basket that followed)
	colNextFirst           // the same over what was new to its user
	colNextBefore          // colNextFirst for the basket before the last
	colTogether            // log(1 + 10 x sum over the last baskets of 0.8^lag x mean cosine of going together)
	colTogetherBest        // log(1 + 10 x cosine with the last basket's best match)
	colLift                // log(1 + 100 x windowed transition score over the root of the item's popularity)
	colTogetherLift        // the same for colTogether
	colNeighbours          // log(1 + 10 x share of the nearest users\' profiles that hold it)
	colFollowsLast         // log(1 + 1000 x transition share from the newest interaction)
	colCosine              // log(1 + 1000 x cosine of the transition table with the newest interactions)
	colWords               // cosine of its title's words with those of the last baskets, each basket back 0.85 of the one after it
	colWordsLast           // the same with the last basket alone
	colFresh               // log(1 + popularity) over interactions with items new to their user, with a tenth of the half-life
	colPopular             // log(1 + popularity, 1 = the mean item)
	colMonth               // the same with a quarter of the half-life
	colDay                 // the same with a thirtieth of it
	colFirst               // the same over interactions with items new to their user
	colAge                 // log(1 + days since the item was first seen)
	colIdle                // log(1 + hours since it was last seen, by anybody)
	colThree               // log(1 + popularity) with a tenth of the half-life
	colHours               // the same with a hundred-and-twentieth of it
	colLong                // the same with twice of it
	colEver                // the same without any
	colNew                 // the same over interactions of users without a history
	colReturn              // share of its interactions by users who had it in their window
	colOwned               // 1 when it is in the user's window; the rest are 0 otherwise
	colTimes               // log(1 + times in the window)
	colBaskets             // log(1 + baskets in the window)
	colBasketPart          // its share of the window's baskets
	colRecent              // sum over its baskets of 0.8^(baskets since)
	colLast                // 1 when it is in the last basket
	colLag                 // log(1 + baskets since)
	colRank                // log(1 + distinct items newer in the window)
	colSince               // log(1 + hours since the user's last interaction with it)
	colTwoWeeks            // log(1 + its interactions in the window, fading with a half-life of 14 days)
	colTwoMonths           // the same with 60 days
	colHalfYear            // the same with 180 days
	colGap                 // log(1 + days between the user's interactions with it on average), 0 with fewer than two baskets
	colDue                 // days since the last one over that gap, at most 4
	itemColumns

	// A bundle that reads a language model's text has these besides.
	colText         = itemColumns     // log of the text's probability over the uniform one
	colTextPlace    = itemColumns + 1 // 1 / sqrt(place) among the first hundred items of the text outside the window
	colTitled       = itemColumns + 2 // 1 when the text has something to say about the item
	textItemColumns = itemColumns + 3
)

// The columns of a request.
const (
	ctxLength   = iota // log(1 + interactions in the window)
	ctxDistinct        // distinct items over interactions
	ctxBaskets         // log(1 + baskets in the window)
	ctxBasket          // log(1 + distinct items of the last basket)
	ctxSince           // log(1 + hours since the newest interaction)
	ctxMean            // log(1 + mean lines of a basket)
	ctxGap             // log(1 + mean days between baskets)
	ctxDue             // days since the newest basket over that mean, at most 4
	ctxKnown           // mean of log(1 + popularity) of the distinct items of the window
	ctxNetwork         // 1 when the network had something to say
	contextColumns

	ctxText            = contextColumns // 1 when there is a text; only where the bundle reads it
	textContextColumns = contextColumns + 1
)

var itemNames = [textItemColumns]string{
	"sequence", "follows", "follows_basket", "next", "next_first", "next_before", "together", "together_best", "follows_lift", "together_lift", "neighbours", "follows_last", "follows_cosine", "words", "words_last", "popular_fresh", "popular", "popular_month", "popular_day", "popular_first", "item_age", "item_idle", "popular_three", "popular_hours", "popular_long", "popular_ever", "popular_new", "item_return",
	"owned", "times", "baskets", "basket_share", "recent", "last_basket", "basket_lag", "newer_items", "since", "two_weeks", "two_months", "half_year", "gap", "due",
	"text", "text_place", "titled",
}

var contextNames = [textContextColumns]string{"length", "distinct", "baskets", "last_basket_size", "since_newest", "mean_basket", "basket_gap", "basket_due", "known", "network", "text"}

// Layout names the columns of a bundle without a language model, for a mixer.
func Layout() mixer.Layout {
	return mixer.Layout{Item: slices.Clone(itemNames[:itemColumns]), Context: slices.Clone(contextNames[:contextColumns])}
}

// TextLayout names the columns of a bundle that reads a language model's text: those of Layout and the text's behind
// them. A mixer of Layout goes on in it (mixer.Onto) with the same scores.
func TextLayout() mixer.Layout {
	return mixer.Layout{Item: slices.Clone(itemNames[:]), Context: slices.Clone(contextNames[:])}
}

func sameLayout(a, b mixer.Layout) bool {
	return slices.Equal(a.Item, b.Item) && slices.Equal(a.Context, b.Context)
}

// A part is a group of columns that an answer names as a source. The order decides between equal contributions.
const (
	partRepeat = iota
	partModel
	partSimilar
	partPopular
	numParts

	partText     = numParts // only where the bundle reads a text
	numTextParts = numParts + 1
)

var partSource = [numTextParts]schema.Source{
	partRepeat: schema.SourceRepeat, partModel: schema.SourceModel, partSimilar: schema.SourceSimilar, partPopular: schema.SourcePopular,
	partText: schema.SourceText,
}

// partColumns lists each part's columns, in the form mixer.Effects takes.
func partColumns(text bool) [][]int {
	groups := [][]int{
		partRepeat: {colReturn, colOwned, colTimes, colBaskets, colBasketPart, colRecent, colLast, colLag, colRank, colSince,
			colTwoWeeks, colTwoMonths, colHalfYear, colGap, colDue},
		partModel:   {colSequence},
		partSimilar: {colFollows, colFollowsAll, colNext, colNextFirst, colNextBefore, colTogether, colTogetherBest, colLift, colTogetherLift, colNeighbours, colFollowsLast, colCosine, colWords, colWordsLast},
		partPopular: {colPopular, colMonth, colDay, colFirst, colAge, colIdle, colThree, colHours, colLong, colEver, colNew, colFresh},
	}
	if text {
		groups = append(groups, []int{colText, colTextPlace, colTitled})
	}
	return groups
}

// DefaultMixer is the score before any fit: what the user repeats first, then what follows what the user did, then what
// is popular, with weights set by hand on the scale of the columns.
func DefaultMixer() (*mixer.Mixer, error) {
	return mixer.Linear(Layout(), defaultWeights()[:itemColumns])
}

// DefaultTextMixer is DefaultMixer with a say for the text: enough that a new item whose title is near what the user
// browses stands among the first, not so much that it moves what the user repeats.
func DefaultTextMixer() (*mixer.Mixer, error) {
	return mixer.Linear(TextLayout(), defaultWeights())
}

func defaultWeights() []float64 {
	w := make([]float64, textItemColumns)
	w[colSequence] = 0.1
	w[colFollows] = 0.25
	w[colPopular] = 0.5
	w[colDay] = 0.1
	w[colOwned] = 1
	w[colTimes] = 0.5
	w[colBasketPart] = 1
	w[colLag] = -0.2
	w[colTextPlace] = 2.5
	return w
}
