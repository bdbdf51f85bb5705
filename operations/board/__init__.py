"""The pages of rq-dashboard for operators, made safe for them (extra ``[dashboard]``)."""
