"""Triggers: what is wrong with them, and the plans they become. croniter lives in here and nowhere else.

- ``check_triggers(definition, calendars)``: problems of what a schema cannot tell.
- ``compile_triggers(project, definition, settings)``: timers and ``after``; webhooks are ``compiler.webhooks``'.
- ``trigger_ids(definition)``: one id for each trigger, in their order, webhooks too.
- ``cron_problem(text)``: what is wrong with a cron text.
"""

from engine.compiler.triggers.checks import check_triggers
from engine.compiler.triggers.cron import cron_problem
from engine.compiler.triggers.plans import Triggers, compile_triggers, timer_slots, trigger_ids

__all__ = ["Triggers", "check_triggers", "compile_triggers", "cron_problem", "timer_slots", "trigger_ids"]
