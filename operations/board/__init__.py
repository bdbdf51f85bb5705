"""A secured rq-dashboard for operators (extra ``[dashboard]``)."""
