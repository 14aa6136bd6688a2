"""The rows that decision kernels work on: what each number of a packed arena means.

A *desk* is one int64 row with everything that one decision of one parent reads and writes; chains
and moves are tables beside it. The daemon packs a desk from its Structs, an environment of many
parents holds them as a table and passes `desks[i]`. Units as everywhere: prices 1e-4, times ns.
"""

from typing import Final

# Situation: what a schedule may know. Its last number is the first of the terms.
NOW, START, END, OTHERS, DONE, OPEN, CLOSE, URGENCY = range(8)
# Terms: what of the parent and its progress a plan needs.
QTY, CUM, RISK, LIMIT, CAP, MUST, LOT, SIGN = range(8, 16)  # LIMIT 0 = none, CAP -1 = none
SITUATION: Final = NOW
SITUATION_SIZE: Final = 9  # QTY included
TERMS: Final = QTY
TERMS_SIZE: Final = 8
NO_CAP: Final = -1
# Band: where `cum` should stand, in shares.
TARGET, LOW, HIGH, SLICE, CLOSING = range(16, 21)
BAND: Final = TARGET
BAND_SIZE: Final = 5
# Touch: the market from the parent's side, own displayed size taken out, 0 = nobody.
OWN, SECOND, TICK = range(21, 24)  # OWN: best price of the side on which we rest; SECOND: the one behind
TAKE_LEVELS: Final = 5
TAKE_PX: Final = 24  # prices that we would take, best first
TAKE_QTY: Final = TAKE_PX + TAKE_LEVELS
TOUCH: Final = OWN
TOUCH_SIZE: Final = 3 + 2 * TAKE_LEVELS
# Headroom: what the limits leave, as market.updates.Headroom.
ORDER_QTY_MAX, COLLAR_LOW, COLLAR_HIGH, CAN_TRADE, BUY_QTY_MAX, SELL_QTY_MAX, ORDERS_FREE, RATE_FREE = range(
    34, 42
)
HEADROOM: Final = ORDER_QTY_MAX
HEADROOM_SIZE: Final = 8
# Plan: written by `plan`, read by `reconcile`. A price of 0: no such order is wanted.
HOLD, WHY, REST_QTY, REST_PX, CROSS_QTY, CROSS_PX, ALLOWED, SLACK_QTY, SLACK_E4, WORST = range(42, 52)
PLAN: Final = HOLD
PLAN_SIZE: Final = 10
# Standing: what lives or is on its way, besides the chains' own rows.
CHAINS, SUBMITS, SUBMITS_RESTING, SUBMITS_CROSSING, MAY_SEND, MAY_OPEN = range(52, 58)
# MAY_SEND: new and replace messages left now; MAY_OPEN: new orders left, unanswered submits taken off.
STANDING: Final = CHAINS
STANDING_SIZE: Final = 6
# Instrument and memory: what an observation needs besides.
ARRIVAL2, WORKING, ROUND_LOT, ADV, LAST_FILL, SLOT = range(58, 64)
# ARRIVAL2: bid + ask at arrival, 0 = not known; WORKING: shares of the symbol working or asked for.
DESK_SIZE: Final = 64

# Why a plan is less than what was asked for: codes of WHY, texts in actions.CONSTRAINTS.
FREE, BY_CAP, BY_RISK, BY_LIMIT, NO_TRADING, NO_BOOK = range(6)

# A chain: one live child order of the parent, a row each, oldest first.
C_PX, C_QTY, C_CUM, C_WORST, C_IDLE, C_CROSSING = range(6)
# C_WORST: leaves at worst, a pending replace at its larger size; C_IDLE: rests and nothing is in flight.
CHAIN_COLUMNS: Final = 6

# A move: what to ask of the gate, a row each.
M_ACT, M_QTY, M_PX, M_CHAIN, M_CROSSING = range(5)  # M_CHAIN: row of the chain, -1 for a submit
MOVE_COLUMNS: Final = 5
SUBMIT, REPLACE, CANCEL = 1, 2, 3  # executor.Act
NO_CHAIN: Final = -1
MOVES_BEYOND: Final = 2  # a table of moves holds a row a chain, a crossing order and a top-up

# Which schedule: codes of `schedule_kernels.fraction`.
TWAP, VWAP, POV, ALMGREN_CHRISS, OBIZHAEVA_WANG = range(5)
# Which rule: codes of `tactic_kernels.tactic`.
CROSSING, PASSIVE, IMPROVING, RULE, MICROPRICE, CONSTANT, RANDOM = range(7)
PARAMETERS: Final = 3  # of a schedule and of a rule: float64 rows of this length
