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
 * What came of a copy.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use context_course;

/**
 * Compares a copy with its source.
 */
class report {
    /**
     * Makes the report.
     *
     * @param int $sourceid
     * @param int $courseid
     * @param array[] $activities old and new ids, as restore knows them
     * @return array
     */
    public static function build(int $sourceid, int $courseid, array $activities): array {
        return [
            'sourcecourseid' => $sourceid,
            'courseid' => $courseid,
            'activities' => $activities,
            'missing' => self::missing(self::counts($sourceid), self::counts($courseid)),
            'pointing' => (new pointers($sourceid, $courseid))->find(),
        ];
    }

    /**
     * What the source has more of than the copy.
     *
     * @param int[][] $source by kind and name
     * @param int[][] $copy by kind and name
     * @return array[]
     */
    private static function missing(array $source, array $copy): array {
        $missing = [];
        foreach ($source as $kind => $numbers) {
            foreach ($numbers as $name => $number) {
                $there = (int) ($copy[$kind][$name] ?? 0);
                if ($there < $number) {
                    $missing[] = ['kind' => $kind, 'name' => (string) $name, 'source' => (int) $number, 'copy' => $there];
                }
            }
        }
        return $missing;
    }

    /**
     * How much of each kind a course has.
     *
     * @param int $courseid
     * @return int[][] by kind and name
     */
    private static function counts(int $courseid): array {
        global $DB;
        $context = context_course::instance($courseid);
        $within = $DB->sql_like('c.path', ':path');
        $params = ['course' => $courseid, 'context' => $context->id, 'path' => $context->path . '/%'];
        $one = fn(string $sql) => ['' => $DB->count_records_sql($sql, self::used($sql, $params))];
        $many = fn(string $sql) => $DB->get_records_sql_menu($sql, self::used($sql, $params));
        return [
            'sections' => $one('SELECT COUNT(*) FROM {course_sections} WHERE course = :course'),
            'activities' => $many('SELECT m.name, COUNT(*)
                                     FROM {course_modules} cm
                                     JOIN {modules} m ON m.id = cm.module
                                    WHERE cm.course = :course AND cm.deletioninprogress = 0
                                 GROUP BY m.name'),
            'blocks' => $many('SELECT blockname, COUNT(*)
                                 FROM {block_instances}
                                WHERE parentcontextid = :context
                             GROUP BY blockname'),
            'questioncategories' => $one("SELECT COUNT(*)
                                            FROM {question_categories} q
                                            JOIN {context} c ON c.id = q.contextid
                                           WHERE q.parent <> 0 AND (c.id = :context OR $within)"),
            'groups' => $one('SELECT COUNT(*) FROM {groups} WHERE courseid = :course'),
            'groupings' => $one('SELECT COUNT(*) FROM {groupings} WHERE courseid = :course'),
            'enrolmentmethods' => $many('SELECT enrol, COUNT(*) FROM {enrol} WHERE courseid = :course GROUP BY enrol'),
            'enrolledusers' => $one('SELECT COUNT(DISTINCT ue.userid)
                                       FROM {user_enrolments} ue
                                       JOIN {enrol} e ON e.id = ue.enrolid
                                      WHERE e.courseid = :course'),
            // Of enrolled users: who makes a copy gets a role in it without being enrolled.
            'roles' => $many('SELECT r.shortname, COUNT(DISTINCT ra.userid)
                                FROM {role_assignments} ra
                                JOIN {role} r ON r.id = ra.roleid
                                JOIN {user_enrolments} ue ON ue.userid = ra.userid
                                JOIN {enrol} e ON e.id = ue.enrolid
                               WHERE ra.contextid = :context AND e.courseid = :course
                            GROUP BY r.shortname'),
            'badges' => $one('SELECT COUNT(*) FROM {badge} WHERE courseid = :course'),
        ];
    }

    /**
     * The parameters that a statement uses: Moodle refuses others.
     *
     * @param string $sql
     * @param array $params
     * @return array
     */
    private static function used(string $sql, array $params): array {
        return array_filter($params, fn($name) => (bool) preg_match("/:$name\\b/", $sql), ARRAY_FILTER_USE_KEY);
    }
}
