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
 * What the events of duplications have in common.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\event;

use context_course;
use context_system;
use local_asyncduplicate\local\jobs;
use stdClass;

/**
 * An event of one duplication, in the context of its source.
 *
 * @property-read array $other {
 *      - string duplicateid
 *      - string shortname: of the copy
 *      - int sourceid
 *      - int courseid: of the copy, 0 if there is none
 *      - string errorcode: of a failure, else ''
 * }
 */
abstract class duplication_event extends \core\event\base {
    /**
     * The event of a row.
     *
     * @param stdClass $job
     * @return self
     */
    public static function of_job(stdClass $job): self {
        $event = static::create([
            'objectid' => $job->id,
            'userid' => $job->userid,
            'context' => context_course::instance($job->sourceid, IGNORE_MISSING) ?: context_system::instance(),
            'other' => [
                'duplicateid' => $job->duplicateid,
                'shortname' => $job->shortname,
                'sourceid' => (int) $job->sourceid,
                'courseid' => $job->status == jobs::SUCCEEDED ? (int) $job->courseid : 0,
                'errorcode' => (string) ($job->errorcode ?? ''),
            ],
        ]);
        return $event;
    }

    /**
     * Objects are not restored with a course.
     *
     * @return array
     */
    public static function get_objectid_mapping() {
        return ['db' => jobs::TABLE, 'restore' => \core\event\base::NOT_MAPPED];
    }

    /**
     * Other fields are not restored with a course.
     *
     * @return bool
     */
    public static function get_other_mapping() {
        return false;
    }

    /**
     * Where to read more.
     *
     * @return \moodle_url
     */
    public function get_url() {
        return new \moodle_url('/local/asyncduplicate/index.php', ['id' => $this->other['sourceid']]);
    }

    /**
     * Initialises the event.
     */
    protected function init() {
        $this->data['crud'] = $this->kind();
        $this->data['edulevel'] = self::LEVEL_OTHER;
        $this->data['objecttable'] = jobs::TABLE;
    }

    /**
     * What kind of event it is: c for create, u for update.
     *
     * @return string
     */
    abstract protected function kind(): string;

    /**
     * A description for the log.
     *
     * @param string $what queued, succeeded or failed
     * @return string
     */
    protected function describe(string $what): string {
        $reason = $this->other['errorcode'] === '' ? '' : " ({$this->other['errorcode']})";
        return "The duplication '{$this->other['duplicateid']}' of the course with id '{$this->other['sourceid']}', "
            . "started by the user with id '$this->userid', has the status: $what$reason.";
    }
}
