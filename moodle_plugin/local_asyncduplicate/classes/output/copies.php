<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * The table of the report page.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\output;

use html_table;
use html_writer;
use local_asyncduplicate\local\jobs;
use local_asyncduplicate\local\permissions;
use local_asyncduplicate\local\queue;
use moodle_url;
use navigation_node;
use stdClass;
use url_select;

/**
 * The copies of one course, or of all: those that wait and run first, then those that ended.
 */
class copies {
    /** @var int Copies on a page. */
    public const PER_PAGE = 50;

    /** @var int Seconds after which cron, which is to run every minute, stands still. */
    private const CRON_IS_LATE = 3 * MINSECS;

    /**
     * Constructor.
     *
     * @param int $sourceid 0 for all courses
     */
    public function __construct(
        /** @var int source, or 0 */
        private int $sourceid
    ) {
    }

    /**
     * How many copies there are to see.
     *
     * @return int
     */
    public function count(): int {
        global $DB;
        return $DB->count_records(jobs::TABLE, $this->conditions());
    }

    /**
     * One page of them as HTML.
     *
     * @param int $page from 0
     * @return string
     */
    public function table(int $page): string {
        global $DB;
        $jobs = $DB->get_records(
            jobs::TABLE,
            $this->conditions(),
            'CASE WHEN status < ' . jobs::FAILED . ' THEN 0 ELSE 1 END, id DESC',
            '*',
            $page * self::PER_PAGE,
            self::PER_PAGE
        );
        $ahead = queue::ahead($jobs);
        $table = new html_table();
        $table->head = array_map(
            fn($name) => get_string($name, 'local_asyncduplicate'),
            ['source', 'state', 'progress', 'started', 'startedby', 'reason']
        );
        array_unshift($table->head, get_string('course'));
        $table->attributes['class'] = 'generaltable local_asyncduplicate_copies';
        // A name or a reason without blanks would push the other columns off the page.
        $table->colclasses = ['text-break', 'text-break', '', '', '', '', 'text-break'];
        foreach ($jobs as $id => $job) {
            $table->data[] = [
                $this->copy($job),
                $this->course((int) $job->sourceid),
                $this->state($job, $ahead[$id]),
                $this->progress($job),
                userdate($job->timecreated, get_string('strftimedatetimeshort', 'langconfig')),
                $this->user((int) $job->userid),
                s($job->errormessage ?? ''),
            ];
        }
        return html_writer::table($table);
    }

    /**
     * The pages of "Course reuse" to choose from. Moodle's own selector knows no pages of plugins.
     *
     * @param navigation_node $navigation settings navigation
     * @param moodle_url $current
     * @return string
     */
    public function reuse_menu(navigation_node $navigation, moodle_url $current): string {
        global $OUTPUT;
        $parent = $navigation->find('coursereuse', navigation_node::TYPE_CONTAINER);
        $pages = [];
        foreach ($parent ? $parent->children : [] as $page) {
            if ($page->action instanceof moodle_url) {
                $pages[$page->action->out_as_local_url(false)] = $page->get_content();
            }
        }
        if (!$pages) {
            return '';
        }
        $select = new url_select($pages, $current->out_as_local_url(false), null);
        $select->set_label(get_string('coursereuse'), ['class' => 'sr-only visually-hidden']);
        return html_writer::div($OUTPUT->render($select), 'mb-3');
    }

    /**
     * When cron ran last as HTML, as a warning where it stands still.
     *
     * @return string
     */
    public function cron(): string {
        global $OUTPUT;
        $last = queue::cron_last_run();
        if (!$last) {
            return $OUTPUT->notification(get_string('cronnever', 'local_asyncduplicate'), 'warning', false);
        }
        $text = get_string('cronlastrun', 'local_asyncduplicate', userdate($last));
        if ($last > time() - self::CRON_IS_LATE) {
            return html_writer::tag('p', $text);
        }
        return $OUTPUT->notification($text . ' ' . get_string('cronlate', 'local_asyncduplicate'), 'warning', false);
    }

    /**
     * Which rows are shown.
     *
     * @return array
     */
    private function conditions(): array {
        global $USER;
        return ($this->sourceid ? ['sourceid' => $this->sourceid] : [])
            + (permissions::may_see_all() ? [] : ['userid' => $USER->id]);
    }

    /**
     * The copy, with a link to it when there is one.
     *
     * @param stdClass $job
     * @return string
     */
    private function copy(stdClass $job): string {
        $name = format_string($job->fullname) . ' (' . format_string($job->shortname) . ')';
        return $job->status == jobs::SUCCEEDED
            ? html_writer::link(new moodle_url('/course/view.php', ['id' => $job->courseid]), $name)
            : $name;
    }

    /**
     * The source, with a link to it.
     *
     * @param int $courseid
     * @return string
     */
    private function course(int $courseid): string {
        global $DB;
        $name = $DB->get_field('course', 'shortname', ['id' => $courseid]);
        return $name === false
            ? (string) $courseid
            : html_writer::link(new moodle_url('/course/view.php', ['id' => $courseid]), format_string($name));
    }

    /**
     * State, and what it waits for.
     *
     * @param stdClass $job
     * @param int $ahead
     * @return string
     */
    private function state(stdClass $job, int $ahead): string {
        $state = get_string('state' . jobs::state($job), 'local_asyncduplicate');
        if ($job->status == jobs::AWAITING) {
            return $state . ', ' . get_string('stateahead', 'local_asyncduplicate', $ahead);
        }
        if ($job->status == jobs::EXECUTING) {
            $phase = $job->phase == jobs::BACKUP ? 'phasebackup' : 'phaserestore';
            return $state . ': ' . get_string($phase, 'local_asyncduplicate');
        }
        return $state;
    }

    /**
     * The progress as a bar and a number.
     *
     * @param stdClass $job
     * @return string
     */
    private function progress(stdClass $job): string {
        $percent = (int) round($job->progress * 100);
        $bar = html_writer::div('', 'progress-bar', [
            'role' => 'progressbar',
            'style' => "width: $percent%",
            'aria-valuenow' => $percent,
            'aria-valuemin' => 0,
            'aria-valuemax' => 100,
        ]);
        return html_writer::div($bar, 'progress') . get_string('percents', 'moodle', $percent);
    }

    /**
     * Who started it.
     *
     * @param int $userid
     * @return string
     */
    private function user(int $userid): string {
        $user = $userid ? \core_user::get_user($userid) : false;
        return $user ? fullname($user) : '';
    }
}
