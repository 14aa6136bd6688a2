"""Where the queue-reactive flow keeps what it remembers: offsets of `state`, `reals` and `tables`.

`tables` is what a calibration says, shared by every market of it. `state` (integers) and `reals` are one
market's own. The kernels freeze these offsets.
"""

from market.flow.calibration import CELLS_MAX, CLASSES, INTRADAY_MAX, QUEUES_MAX, REGIMES, SPREADS_MAX

# --- clocks: L and M, one for each class of resting order, then the two that look at no book -------
LIMITS, MARKETS, CANCELS = 0, 1, 2
CLOCKS = CANCELS + CLASSES
LAYERS = 10  # of each clock: the lowest covers a quarter of the ordinary rate, each doubles what is covered
LAYER_UNIT = 0.25
MULTIPLE_MAX = 128.0  # LAYER_UNIT x 2**(LAYERS - 1): what the clocks reach; a rate beyond is cut, counted
ROWS = CLOCKS * LAYERS
ROW_POINTS = 8  # points of a row between two beginnings of its count of draws, on average

# --- streams of draws ------------------------------------------------------------------------------
STREAM_ROWS = 1 << 12  # + row + ROWS * step of slots
STREAM_VALUE, STREAM_JUMP, STREAM_REGIME = 101, 102, 103
STREAM_META, STREAM_CHILD = 104, 105
STREAM_DETAIL = 120
STREAM_BURST = 121

# --- state ------------------------------------------------------------------------------------------
S_SEED = 0
S_BEGIN = 1  # ns; all times below are ns since then
S_TICK = 2
S_SECOND = 3  # the next second to begin
S_NEXT_ID = 4
S_REGIME = 5
S_TAKEN_READ = 6  # entries read of what owned orders took
S_BID = 7  # the touch as last seen, or where it was before a side was emptied
S_ASK = 8
S_SPREAD = 9  # bucket of the spread
S_HAWKES_TIME = 10
S_METAS = 11  # alive
S_CHILD_DUE = 12
S_CHILD_INDEX = 13
S_CLOCK_DUE = 14  # CLOCKS
S_CLOCK_ROW = S_CLOCK_DUE + CLOCKS  # which row is due
S_ACTIVE = S_CLOCK_ROW + CLOCKS  # layers in use
S_COUNT = S_ACTIVE + CLOCKS  # orders in each pool
S_SLOTS = S_COUNT + CLASSES  # step of the slots in use of each pool
S_LIMITS = S_SLOTS + CLASSES  # counters
S_MARKETS = S_LIMITS + 1
S_CANCELS = S_LIMITS + 2
S_CHILDREN = S_LIMITS + 3
S_HIDDEN = S_LIMITS + 4
S_CANDIDATES = S_LIMITS + 5
S_HELD_BACK = S_LIMITS + 6  # would have left a side too thin
S_POOL_FULL = S_LIMITS + 7  # limit orders dropped for want of a slot
S_REFUSED = S_LIMITS + 8  # limit orders for which the book had no room
S_BOUNDED = S_LIMITS + 9  # rates cut to MULTIPLE_MAX
S_METAS_FULL = S_LIMITS + 10
S_TAKEN_LOST = S_LIMITS + 11
S_OFF_GRID = S_LIMITS + 12  # limit orders that would have had no price
S_FOREIGN = S_LIMITS + 13  # orders of ours that took liquidity
S_NOW = S_LIMITS + 14  # how far it has been played
S_BURST_DUE = S_NOW + 1  # the next point of what recent events excite
S_BURST_KEY = S_NOW + 2  # the last event that was not itself excited: what its followers' draws are named by
S_BURST_DRAW = S_NOW + 3  # and how many there have been
S_BURST_MARK = S_NOW + 4
S_BURST_WHERE = S_NOW + 5
S_BURST_WHAT = S_NOW + 6
S_ROW_WINDOW = 64  # ROWS: the number of the window that a row is in
S_ROW_INDEX = S_ROW_WINDOW + ROWS
S_ROW_DUE = S_ROW_INDEX + ROWS
S_ROW_LENGTH = S_ROW_DUE + ROWS  # ns of a window
AHEAD = 16  # draws of a row that are made at once, side by side
D_WAIT, D_MARK, D_WHERE, D_WHAT = 0, AHEAD, 2 * AHEAD, 3 * AHEAD
ROW_DRAWS = 4 * AHEAD
S_ROW_DRAWS = S_ROW_LENGTH + ROWS  # ROWS x ROW_DRAWS: of the indices that a row's is among
S_META_SIDE = S_ROW_DRAWS + ROWS * ROW_DRAWS
METAS_MAX = 128  # alive at once: share / mean participation is some 20
POOL_MAX = 4096  # orders of a class; a book has hundreds
S_POOLS = S_META_SIDE + METAS_MAX
STATE_WORDS = S_POOLS + CLASSES * POOL_MAX

# --- reals ------------------------------------------------------------------------------------------
R_VALUE = 0  # F, e4
R_BELIEF = 1  # e4, on top of F
R_DISTANCE = 2  # mid less value, in units
R_SIGMA = 3  # multiple of the value's volatility, for this episode
R_DRIFT = 4  # bps a second, for this episode
R_RATE = 5  # multiple of all rates, for this episode
R_LATENT = 6  # multiple of c
R_BRANCHING = 7  # multiple of the branching ratio
R_UNIT = 8  # e4
R_TICK_INVERSE = 9
R_MULTIPLE = 10  # 3: of the rates of L, M, C now: intraday x regime
R_TILT_MARKETS = 13  # 2: by side, 0 = buy
R_TILT_LIMITS = 15
R_TILT_CANCELS = 17
R_CHILD_GAP = 19  # ns
R_CHILD_RATE = 20  # children a second of all metaorders
R_OPEN = 21  # seconds from the opening to the beginning of the flow
R_TILT_DEEP = 22  # 2: of limit orders behind the best, which follow value by no place of theirs
R_EXCITED = 24  # 2 exponentials x (L M C) x 2 sides
R_ROW_GAP = R_EXCITED + 12  # ROWS: mean gap, ns
R_META_LEFT = R_ROW_GAP + ROWS
R_META_RATE = R_META_LEFT + METAS_MAX
R_CANCELS_MOST = R_META_RATE + METAS_MAX  # the largest multiple of the rate of a cancel, bursts left out
READINGS = 3  # lives of what is made of a market order
R_READING = R_CANCELS_MOST + 1  # READINGS: e4, on top of F
R_READING_TIME = R_READING + READINGS  # ns
R_BURST = R_READING_TIME + 1  # points a second of limit orders (2), market orders (2), multiple of cancels
R_BURST_TOTAL = R_BURST + 5  # all as last drawn
R_MOST = R_BURST_TOTAL + 1  # CLOCKS: marks from here up are no events, whatever the book says
REALS = R_MOST + CLOCKS

# --- tables -----------------------------------------------------------------------------------------
LOOKUP = 512
SIZE_LOOKUP = 512
SIZE_SHIFT = 23  # of a draw of 32 bits
NEAR_TICKS = 1024  # distances and spreads up to it are looked up
QUEUE_STEPS = 256  # queues up to it, in quarters of the mean size, are looked up
QUEUE_STEP = 4.0
NUMBERS = 96
N_CELLS = 0
N_RATES = 1  # CLOCKS: ordinary rates of the clocks; of a class for one slot
N_MEAN_SIZE_INVERSE = 6
N_CLIP = 7  # of 2**15
N_LEVELS_MOST = 8
N_PARTIAL = 9  # of 2**16
N_HIDDEN = 10  # of 2**16
N_META_BIRTHS = 12  # a second
N_META_ALPHA = 13  # exponent -1 / alpha, as used
N_META_MIN, N_META_MAX = 14, 15
N_META_POV_MIN, N_META_POV_MAX = 16, 17
N_MEAN_RATES = 18  # 3: L M C, a side
N_DECAYS = 21  # 2
N_SIGMA = 24  # bps
N_JUMPS = 25
N_JUMP = 26  # bps
N_INFORMED = 27
N_INFORMED_LIMITS = 28
N_INFORMED_CURVE = 29
N_BELIEF = 30
N_BELIEF_PULL = 31  # a second
N_LATENT = 32
N_LATENT_CANCELS = 33
N_LATENT_CURVE = 34
N_INTRADAY_BINS = 35
N_INTRADAY_BIN_S = 36
N_LEAVE_REGIME = 45  # REGIMES: chance a second
N_META_HISTORY = 48
N_PRICE = 49
N_TICK = 50
N_UNIT = 51
N_BRANCHING = 52
N_MARKETS_RATE = 53  # the largest rate of market orders of a side, metaorders included
N_INFORMED_CANCELS = 54
N_HAZARDS = 55  # CLASSES: cancels per order and second
N_KICK = 58  # bps
N_KICK_MOST = 59  # mean sizes
N_READING_FADE = 60  # READINGS: a second
N_READING_WEIGHT = 63  # READINGS
N_CANCELS_CUT = 66  # a multiple: bursts of cancels are cut to it
T_REGIMES = NUMBERS  # REGIMES x (L M C sigma)
T_INTRADAY = T_REGIMES + REGIMES * 4
T_SPREAD = T_INTRADAY + INTRADAY_MAX  # bucket by ticks
T_DISTANCE = T_SPREAD + NEAR_TICKS + 1  # cell of cancels by ticks behind the best
T_QUEUE = T_DISTANCE + NEAR_TICKS + 1  # bucket by size
T_CELL = T_QUEUE + QUEUE_STEPS + 1  # of a limit order by draw [spread][draw]
T_CELL_FROM = T_CELL + SPREADS_MAX * LOOKUP  # ticks behind
T_CELL_TICKS = T_CELL_FROM + CELLS_MAX  # how many
T_CELL_KIND = T_CELL_TICKS + CELLS_MAX  # row of T_LIMIT_QUEUE
T_LIMIT = T_CELL_KIND + CELLS_MAX  # acceptance [spread][cell]
T_LIMIT_TOTAL = T_LIMIT + SPREADS_MAX * CELLS_MAX  # a second and side [spread]
T_LIMIT_MULTIPLE = T_LIMIT_TOTAL + SPREADS_MAX  # of the clock's ordinary rate [spread]
T_MARKET_MULTIPLE = T_LIMIT_MULTIPLE + SPREADS_MAX
T_LIMIT_QUEUE = T_MARKET_MULTIPLE + SPREADS_MAX  # acceptance [4][queue], the last one inside the spread
T_MARKET = T_LIMIT_QUEUE + 4 * QUEUES_MAX  # acceptance [spread][queue]
T_CANCEL_DISTANCE = T_MARKET + SPREADS_MAX * QUEUES_MAX
T_CANCEL_QUEUE = T_CANCEL_DISTANCE + CELLS_MAX  # [behind the best, at it][queue]
T_CLASS = T_CANCEL_QUEUE + 2 * QUEUES_MAX  # [cell][class] cumulative, of 2**16
T_LIMIT_SIZE = T_CLASS + CELLS_MAX * CLASSES
T_MARKET_SIZE = T_LIMIT_SIZE + SIZE_LOOKUP
T_INSIDE_SIZE = T_MARKET_SIZE + SIZE_LOOKUP
T_EXCITE = T_INSIDE_SIZE + SIZE_LOOKUP  # [cause 6][exponential 2][whom 6]
T_GAP = T_EXCITE + 6 * 12  # quantiles of the unit exponential
GAPS = 1024
TABLE_WORDS = T_GAP + GAPS + 2
