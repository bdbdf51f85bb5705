// Buttons that change something, and the refresh of the pages that this package adds to rq-dashboard.
(function ($) {
    var REFRESH = 5000; // milliseconds between two refreshes
    var live = '[data-live]';

    function refresh(done) {
        var $live = $(live);
        if (!$live.length) { return done && done(); }
        $.get(location.href).done(function (page) {
            // DOMParser runs no script of the page.
            var fresh = new DOMParser().parseFromString(page, 'text/html').querySelector(live);
            if (fresh) { $live[0].replaceChildren.apply($live[0], fresh.childNodes); }
        }).always(function () { if (done) { done(); } });
    }

    function again() {
        setTimeout(function () {
            if (AUTOREFRESH_FLAG && !document.hidden) { refresh(again); } else { again(); }
        }, REFRESH);
    }

    function post($button) {
        $button.prop('disabled', true);
        $.post($button.data('post')).done(function (answer) {
            var events = answer.count === 1 ? '1 event is' : answer.count + ' events are';
            $('#outcome').text(events + ' back in the queue.').prop('hidden', false);
            refresh();
        }).fail(function () { $button.prop('disabled', false); });
    }

    $(document).on('click', '[data-post]', function () {
        var $button = $(this), question = $button.data('confirm');
        if (question) { modalConfirm(question, function () { post($button); }); } else { post($button); }
    });
    $('#confirmation-modal').removeClass('fade'); // while it fades in, Bootstrap ignores a click on No or Yes
    again();
})(jQuery);
