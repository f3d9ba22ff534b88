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
 * The making of one copy.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use stdClass;

/**
 * Backup, restore, report, and at the very end names, dates and visibility.
 */
class course_copy {
    /** @var request What is asked for. */
    private request $request;

    /**
     * Constructor.
     *
     * @param stdClass $job row whose lock is held
     */
    public function __construct(
        /** @var stdClass row of the duplication */
        private stdClass $job
    ) {
        $this->request = request::from_job($job);
    }

    /**
     * Makes the copy.
     *
     * @throws \Throwable when there is none; what was made so far is still there
     */
    public function make(): void {
        permissions::require_copy($this->request, $this->job->userid);
        names::require_free($this->request);
        $source = get_course($this->request->sourceid);
        $pace = pace::of_job($this->job);

        $backup = new progress($this->job, jobs::BACKUP, $pace);
        (new backup_phase($this->job, $this->request))->run($backup);
        $curves = [jobs::BACKUP => $backup->finish()];
        $pace->note_backup(end($curves[jobs::BACKUP]));

        $restore = new progress($this->job, jobs::RESTORE, $pace);
        $courseid = new_course::create($this->job, $this->request);
        $phase = new restore_phase($this->job, $this->request);
        $phase->run($courseid, $restore);
        $curves[jobs::RESTORE] = $restore->finish();

        $warnings = array_map(fn($text) => ['code' => 'precheck', 'message' => $text], $phase->get_warnings());
        $report = null;
        try {
            $report = report::build($source->id, $courseid, $phase->get_activities());
        } catch (\moodle_exception $e) {
            $warnings[] = ['code' => 'noreport', 'message' => $e->getMessage()];
        }
        (new cleaner($this->job))->remove_temporary();
        $this->publish($source, $courseid, [
            'phase' => jobs::RESTORE,
            'progress' => 1,
            'warnings' => json_encode($warnings),
            'report' => $report ? json_encode($report) : null,
            'pace' => json_encode($curves),
        ]);
    }

    /**
     * Gives the course its names, dates and visibility and ends the row, in one transaction.
     *
     * @param stdClass $source
     * @param int $courseid
     * @param array $fields of the row
     */
    private function publish(stdClass $source, int $courseid, array $fields): void {
        global $DB;
        $lock = locks::of_names();
        try {
            names::require_free($this->request, $courseid);
            $transaction = $DB->start_delegated_transaction();
            try {
                $DB->update_record('course', $this->course_fields($source, $courseid));
                jobs::update($this->job, $fields + jobs::ended($this->job, jobs::SUCCEEDED));
                $transaction->allow_commit();
            } catch (\Throwable $e) {
                $transaction->rollback($e);
            }
        } finally {
            locks::release($lock);
        }
    }

    /**
     * What the course gets in the end.
     *
     * @param stdClass $source
     * @param int $courseid
     * @return stdClass
     */
    private function course_fields(stdClass $source, int $courseid): stdClass {
        $course = (object) [
            'id' => $courseid,
            'fullname' => $this->request->fullname,
            'shortname' => $this->request->shortname,
            'idnumber' => $this->request->idnumber,
            'visible' => $this->request->visible,
            'visibleold' => $this->request->visible,
            'enddate' => dates::end($this->request, (int) $source->startdate, (int) $source->enddate),
            'timemodified' => time(),
        ];
        if ($this->request->startdate !== null) {
            $course->startdate = $this->request->startdate;
        }
        return $course;
    }
}
